#include "python_program.h"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace mobilebert {
namespace {

// Widths inside the encoder; beyond it is no model, and products of two could overflow.
constexpr int kWidest = 1 << 15;

int integer(nb::handle owner, const char* name, int least) {
  const int value = nb::cast<int>(owner.attr(name));
  if (value < least) refuse(std::string(name) + " is " + std::to_string(value) + ".");
  return value;
}

int width_of(nb::handle owner, const char* name) {
  const int value = integer(owner, name, 0);
  if (value % kPanel) refuse(std::string(name) + " must be a multiple of 32.");
  return value;
}

Reads reads_of(const std::string& name) {
  if (name == "shared_bottleneck") return Reads::kSharedBottleneck;
  if (name == "bottleneck") return Reads::kBottleneck;
  if (name == "hidden") return Reads::kStream;
  refuse("Unknown attention input " + name + ".");
}

Activation activation_of(const std::string& name) {
  static const std::pair<const char*, Activation> kNames[] = {
      {"relu", Activation::kRelu},        {"relu6", Activation::kRelu6},
      {"gelu", Activation::kGelu},        {"gelu_new", Activation::kGeluNew},
      {"silu", Activation::kSilu},
  };
  for (const auto& [known, activation] : kNames)
    if (name == known) return activation;
  refuse("Unknown activation " + name + ".");
}

// Python's objects become parts of a program; what they point to is held.
class Reader {
 public:
  Reader(const Kernels& kernels, HeldArrays& held) : kernels_(kernels), held_(held) {}

  // Which arithmetic a dense layer is packed for.
  const Arithmetic* arithmetic(nb::handle owner, const char* name = "dtype") const {
    const std::string dtype = nb::cast<std::string>(owner.attr(name));
    for (const Arithmetic* known : {kernels_.float32, kernels_.bfloat16, kernels_.int8})
      if (known && dtype == known->dtype) return known;
    refuse(std::string(kernels_.name) + " has no arithmetic in " + dtype + ".");
  }

  Norm norm(nb::handle owner, int width) {
    Norm norm;
    const nb::object given = owner.attr("norm");
    if (given.is_none()) return norm;
    norm.weight = floats(given, "weight", width);
    norm.bias = floats(given, "bias", width);
    norm.eps = nb::cast<float>(given.attr("eps"));
    if (!norm.weight || !norm.bias) refuse("A norm lacks its weight or bias.");
    return norm;
  }

  Linear linear(nb::handle owner, const char* name) {
    const nb::object given = owner.attr(name);
    Linear step;
    if (given.is_none()) return step;
    step.in = width_of(given, "width_in");
    step.out = width_of(given, "width_out");
    step.width = integer(given, "width", 1);
    if (step.width > step.out) refuse("width is larger than width_out.");
    step.arithmetic = arithmetic(given);
    step.weight = packed_weight(given, step.in, step.out, *step.arithmetic);
    step.column_scale = floats(given, "column_scale", step.out);
    step.column_sum = floats(given, "column_sum", step.out);
    step.bias = floats(given, "bias", step.out);
    step.scale = floats(given, "residual_scale", step.out);
    step.norm = norm(given, step.width);
    if (!step.weight || !step.bias) refuse(std::string(name) + " lacks its weight or bias.");
    if (step.arithmetic == kernels_.int8 && !(step.column_scale && step.column_sum))
      refuse(std::string(name) + " lacks the scales or sums of its columns.");
    return step;
  }

  Layer layer(nb::handle given) {
    Layer layer;
    layer.heads = integer(given, "heads", 1);
    layer.reads = reads_of(nb::cast<std::string>(given.attr("reads")));
    layer.input_bottleneck = linear(given, "input_bottleneck");
    layer.attention_bottleneck = linear(given, "attention_bottleneck");
    layer.query = linear(given, "query");
    layer.key = linear(given, "key");
    layer.value = linear(given, "value");
    layer.attention_output = linear(given, "attention_output");
    layer.output_bottleneck = linear(given, "output_bottleneck");
    for (nb::handle network : given.attr("feed_forward"))
      layer.feed_forward.push_back({linear(network, "inner"), linear(network, "outer")});
    return layer;
  }

  Embedding embedding(nb::handle given, int stream, int stream_width) {
    Embedding e;
    e.vocabulary = integer(given, "vocabulary", 1);
    e.positions = integer(given, "position_count", 1);
    e.types = integer(given, "type_count", 1);
    e.width = integer(given, "width", 1);
    if (e.width > kWidest) refuse("Words are wider than " + std::to_string(kWidest) + ".");
    e.trigram = nb::cast<bool>(given.attr("trigram"));
    e.words = floats(given, "words", static_cast<std::size_t>(e.vocabulary) * e.width);
    e.position_rows = floats(given, "positions", static_cast<std::size_t>(e.positions) * stream);
    e.type_rows = floats(given, "types", static_cast<std::size_t>(e.types) * stream);
    e.transformation = linear(given, "transformation");
    e.norm = norm(given, stream_width);
    return e;
  }

 private:
  template <class Numbers>
  Numbers array(nb::handle value, const char* name, std::size_t size) {
    const Numbers numbers = array_of<Numbers>(value, name);
    check_size(numbers.size(), size, name);
    held_.hold(numbers);
    return numbers;
  }

  const float* floats(nb::handle owner, const char* name, std::size_t size) {
    const nb::object value = owner.attr(name);
    return value.is_none() ? nullptr : array<Floats>(value, name, size).data();
  }

  // A packed weight; bfloat16 comes as its bits.
  const void* packed_weight(nb::handle owner, int in, int out, const Arithmetic& arithmetic) {
    const std::size_t unit = arithmetic.depth_unit;  // sums of two ints could overflow
    const std::size_t size = (in + unit - 1) / unit * unit * out;
    if (arithmetic.element == sizeof(float)) return floats(owner, "weight", size);
    const nb::object value = owner.attr("weight");
    if (arithmetic.element == 1) return array<Bytes>(value, "weight", size).data();
    return array<Halves>(value, "weight", size).data();
  }

  const Kernels& kernels_;
  HeldArrays& held_;
};

void expect(const Linear& step, int in, int out, const char* name) {
  if (step && (step.in != in || step.out != out))
    refuse(std::string(name) + " maps " + std::to_string(step.in) + " to " +
           std::to_string(step.out) + " numbers, not " + std::to_string(in) + " to " +
           std::to_string(out) + ".");
}

void check_widths(const Layer& layer, const Program& p) {
  const bool bottleneck = static_cast<bool>(layer.input_bottleneck);
  if (bottleneck != static_cast<bool>(layer.output_bottleneck) ||
      (layer.reads == Reads::kSharedBottleneck) != static_cast<bool>(layer.attention_bottleneck) ||
      (!bottleneck && layer.reads != Reads::kStream) || (!bottleneck && p.narrow != p.stream))
    refuse("A layer's bottlenecks contradict each other.");
  if (!layer.query || !layer.key || !layer.value || !layer.attention_output)
    refuse("A layer's attention is not whole.");
  if (layer.heads > kWidest / p.head) refuse("A layer has too many heads.");
  const int heads = layer.heads * p.head;
  const int queried = layer.reads == Reads::kStream ? p.stream : p.narrow;
  expect(layer.input_bottleneck, p.stream, p.narrow, "input_bottleneck");
  expect(layer.attention_bottleneck, p.stream, p.narrow, "attention_bottleneck");
  expect(layer.query, queried, heads, "query");
  expect(layer.key, queried, heads, "key");
  expect(layer.value, layer.reads == Reads::kBottleneck ? p.narrow : p.stream, heads, "value");
  expect(layer.attention_output, heads, p.narrow, "attention_output");
  for (const FeedForward& network : layer.feed_forward) {
    if (!network.inner || !network.outer) refuse("A feed-forward network is not whole.");
    if (network.inner.norm.weight) refuse("Inside a feed-forward network is no norm.");
    expect(network.inner, p.narrow, p.inner, "inner");
    expect(network.outer, p.inner, p.narrow, "outer");
  }
  if (layer.feed_forward.empty()) refuse("A layer has no feed-forward network.");
  expect(layer.output_bottleneck, p.narrow, p.stream, "output_bottleneck");
}

void check_arithmetic(const Layer& layer, const Program& p) {
  const auto in = [](const Linear& step, const Arithmetic* arithmetic) {
    if (step && step.arithmetic != arithmetic) refuse("A layer mixes element types.");
  };
  const bool streamed = layer.reads == Reads::kStream;
  in(layer.input_bottleneck, p.streamed);
  in(layer.attention_bottleneck, p.streamed);
  in(layer.query, streamed ? p.streamed : p.inside);
  in(layer.key, streamed ? p.streamed : p.inside);
  in(layer.value, layer.reads == Reads::kBottleneck ? p.inside : p.streamed);
  in(layer.attention_output, p.inside);
  for (const FeedForward& network : layer.feed_forward) {
    in(network.inner, p.inside);
    in(network.outer, p.inside);
  }
  in(layer.output_bottleneck, p.streamed);
}

void check_embedding(const Embedding& e, const Program& p) {
  const int read = padded((e.trigram ? 3 : 1) * e.width);
  expect(e.transformation, read, p.stream, "transformation");
  if (!e.words || !e.position_rows || !e.type_rows) refuse("An embedding table is missing.");
  if (!e.transformation && (e.trigram || e.width > p.stream))
    refuse("Words do not fit the stream without a transformation.");
}

void check_heads(const Program& p, const Kernels& kernels) {
  expect(p.pooler, p.stream, p.stream, "pooler");
  expect(p.transform, p.stream, p.stream, "transform");
  expect(p.vocabulary, p.stream, p.vocabulary.out, "vocabulary");
  expect(p.projection, p.stream, p.projection.out, "projection");
  for (const Linear* step : {&p.pooler, &p.projection})
    if (*step && step->arithmetic != kernels.float32) refuse("Small heads are in float32.");
  for (const Linear* step : {&p.transform, &p.vocabulary, &p.embedding.transformation})
    if (*step && step->arithmetic != p.arithmetic) refuse("The program mixes element types.");
  if (static_cast<bool>(p.transform) != static_cast<bool>(p.vocabulary))
    refuse("The vocabulary head is not whole.");
}

// Calls f(pointer) for all that a program points to.
template <class F>
void for_pointers(const Program& p, F f) {
  const auto norm = [&](const Norm& norm) {
    f(norm.weight);
    f(norm.bias);
  };
  const auto step = [&](const Linear& step) {
    f(step.weight);
    for (const float* row : {step.column_scale, step.column_sum, step.bias, step.scale}) f(row);
    norm(step.norm);
  };
  for (const float* table : {p.embedding.words, p.embedding.position_rows, p.embedding.type_rows})
    f(table);
  norm(p.embedding.norm);
  for (const Linear* given :
       {&p.embedding.transformation, &p.pooler, &p.transform, &p.vocabulary, &p.projection})
    step(*given);
  for (const Layer& layer : p.layers) {
    for (const Linear* given :
         {&layer.input_bottleneck, &layer.attention_bottleneck, &layer.query, &layer.key,
          &layer.value, &layer.attention_output, &layer.output_bottleneck})
      step(*given);
    for (const FeedForward& network : layer.feed_forward) {
      step(network.inner);
      step(network.outer);
    }
  }
}

}  // namespace

void HeldArrays::keep_only(const Program& program) {
  std::set<const void*> used;
  for_pointers(program, [&](const void* pointer) { used.insert(pointer); });
  const auto copied = [&](const nb::ndarray<>& array) { return !used.count(array.data()); };
  arrays_.erase(std::remove_if(arrays_.begin(), arrays_.end(), copied), arrays_.end());
}

Program read_program(nb::handle given, const Kernels& kernels, HeldArrays& held) {
  Reader read(kernels, held);
  Program p;
  p.arithmetic = read.arithmetic(given, "attention_dtype");
  p.streamed = read.arithmetic(given, "stream_dtype");
  p.inside = read.arithmetic(given);
  // A thread prepares for these two, and attention hands whole rows to int8 only.
  if ((p.streamed != p.arithmetic && p.streamed != p.inside) ||
      (p.inside != p.arithmetic && p.inside != kernels.int8))
    refuse("These element types do not go together.");
  if (!p.arithmetic->attend) refuse("Attention is not computed in integers.");
  p.stream = width_of(given, "stream");
  p.stream_width = integer(given, "stream_width", 1);
  p.narrow = width_of(given, "narrow");
  p.inner = width_of(given, "inner");
  p.head = width_of(given, "head");
  if (!p.stream || p.stream_width > p.stream || !p.narrow || !p.inner || !p.head)
    refuse("A width of the program is 0.");
  if (std::max({p.stream, p.narrow, p.inner, p.head}) > kWidest)
    refuse("A width of the program is larger than " + std::to_string(kWidest) + ".");
  p.activation = activation_of(nb::cast<std::string>(given.attr("activation")));
  p.embedding = read.embedding(given.attr("embedding"), p.stream, p.stream_width);
  check_embedding(p.embedding, p);
  for (nb::handle layer : given.attr("layers")) {
    p.layers.push_back(read.layer(layer));
    check_widths(p.layers.back(), p);
    check_arithmetic(p.layers.back(), p);
  }
  const bool bottleneck = !p.layers.empty() && p.layers[0].input_bottleneck;
  for (const Layer& layer : p.layers)
    if (static_cast<bool>(layer.input_bottleneck) != bottleneck)
      refuse("Some layers have bottlenecks and some have none.");
  p.pools = nb::cast<bool>(given.attr("pools"));
  p.pooler = read.linear(given, "pooler");
  p.transform = read.linear(given, "transform");
  p.vocabulary = read.linear(given, "vocabulary");
  p.projection = read.linear(given, "projection");
  check_heads(p, kernels);
  return p;
}

}  // namespace mobilebert
