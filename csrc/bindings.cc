// Python's view of the encoder: what comes in is checked here, and the GIL is released around the
// work. A program is read from the attributes of `mobilebert.engine.packing.PackedProgram`.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "cpu.h"
#include "encoder.h"
#include "peak.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace mobilebert {
namespace {

using Floats = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<const std::int8_t, nb::c_contig, nb::device::cpu>;
using Halves = nb::ndarray<const std::uint16_t, nb::c_contig, nb::device::cpu>;
using Integers = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Results = nb::ndarray<float, nb::c_contig, nb::device::cpu>;

[[noreturn]] void refuse(const std::string& what) { throw nb::value_error(what.c_str()); }

void check_size(std::size_t found, std::size_t wanted, const char* name) {
  if (found != wanted)
    refuse(std::string(name) + " has " + std::to_string(found) + " numbers, not " +
           std::to_string(wanted) + ".");
}

template <class Array>
void check_aligned(const Array& array, const char* name) {
  if (reinterpret_cast<std::uintptr_t>(array.data()) % sizeof(*array.data()))
    refuse(std::string(name) + " is not aligned.");
}

// An array as it is: what would have to be converted is refused.
template <class Array>
Array array_of(nb::handle value, const char* name) {
  Array array;
  if (!nb::try_cast<Array>(value, array, /*convert=*/false))
    refuse(std::string(name) + " is no contiguous array of the element type that is wanted here.");
  check_aligned(array, name);
  return array;
}

// Widths inside the encoder; beyond it is no model, and products of two could overflow.
constexpr int kWidest = 1 << 15;

// Reading a program. The Python objects keep the arrays alive; `NativeEncoder` keeps the objects.

// Which arithmetic a dense layer is packed for.
const Arithmetic* arithmetic_of(nb::handle owner, const Kernels& kernels,
                                const char* name = "dtype") {
  const std::string dtype = nb::cast<std::string>(owner.attr(name));
  for (const Arithmetic* known : {kernels.float32, kernels.bfloat16, kernels.int8})
    if (known && dtype == known->dtype) return known;
  refuse(std::string(kernels.name) + " has no arithmetic in " + dtype + ".");
}

const float* floats(nb::handle owner, const char* name, std::size_t size) {
  const nb::object value = owner.attr(name);
  if (value.is_none()) return nullptr;
  const Floats array = array_of<Floats>(value, name);
  check_size(array.size(), size, name);
  return array.data();
}

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

Norm read_norm(nb::handle owner, int width) {
  Norm norm;
  const nb::object given = owner.attr("norm");
  if (given.is_none()) return norm;
  norm.weight = floats(given, "weight", width);
  norm.bias = floats(given, "bias", width);
  norm.eps = nb::cast<float>(given.attr("eps"));
  if (!norm.weight || !norm.bias) refuse("A norm lacks its weight or bias.");
  return norm;
}

template <class Numbers>
const void* checked_weight(nb::handle owner, std::size_t size) {
  const Numbers array = array_of<Numbers>(owner.attr("weight"), "weight");
  check_size(array.size(), size, "weight");
  return array.data();
}

// A packed weight; bfloat16 comes as its bits.
const void* packed_weight(nb::handle owner, int in, int out, const Arithmetic& arithmetic) {
  const std::size_t depth = (in + arithmetic.depth_unit - 1) / arithmetic.depth_unit;
  const std::size_t size = depth * arithmetic.depth_unit * out;
  if (arithmetic.element == sizeof(float)) return floats(owner, "weight", size);
  return arithmetic.element == 1 ? checked_weight<Bytes>(owner, size)
                                 : checked_weight<Halves>(owner, size);
}

Linear read_linear(nb::handle owner, const char* name, const Kernels& kernels) {
  const nb::object given = owner.attr(name);
  Linear step;
  if (given.is_none()) return step;
  step.in = width_of(given, "width_in");
  step.out = width_of(given, "width_out");
  step.width = integer(given, "width", 1);
  if (step.width > step.out) refuse("width is larger than width_out.");
  step.arithmetic = arithmetic_of(given, kernels);
  step.weight = packed_weight(given, step.in, step.out, *step.arithmetic);
  step.column_scale = floats(given, "column_scale", step.out);
  step.column_sum = floats(given, "column_sum", step.out);
  step.bias = floats(given, "bias", step.out);
  step.scale = floats(given, "residual_scale", step.out);
  step.norm = read_norm(given, step.width);
  if (!step.weight || !step.bias) refuse(std::string(name) + " lacks its weight or bias.");
  if (step.arithmetic == kernels.int8 && !(step.column_scale && step.column_sum))
    refuse(std::string(name) + " lacks the scales or sums of its columns.");
  return step;
}

void expect(const Linear& step, int in, int out, const char* name) {
  if (step && (step.in != in || step.out != out))
    refuse(std::string(name) + " maps " + std::to_string(step.in) + " to " +
           std::to_string(step.out) + " numbers, not " + std::to_string(in) + " to " +
           std::to_string(out) + ".");
}

Reads reads_of(const std::string& name) {
  if (name == "shared_bottleneck") return Reads::kSharedBottleneck;
  if (name == "bottleneck") return Reads::kBottleneck;
  if (name == "hidden") return Reads::kStream;
  refuse("Unknown attention input " + name + ".");
}

Layer read_layer(nb::handle given, const Program& p, const Kernels& kernels) {
  Layer layer;
  layer.heads = integer(given, "heads", 1);
  layer.reads = reads_of(nb::cast<std::string>(given.attr("reads")));
  layer.input_bottleneck = read_linear(given, "input_bottleneck", kernels);
  layer.attention_bottleneck = read_linear(given, "attention_bottleneck", kernels);
  layer.query = read_linear(given, "query", kernels);
  layer.key = read_linear(given, "key", kernels);
  layer.value = read_linear(given, "value", kernels);
  layer.attention_output = read_linear(given, "attention_output", kernels);
  layer.output_bottleneck = read_linear(given, "output_bottleneck", kernels);
  for (nb::handle network : given.attr("feed_forward"))
    layer.feed_forward.push_back({read_linear(network, "inner", kernels), read_linear(network, "outer", kernels)});

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
  expect(layer.output_bottleneck, p.narrow, p.stream, "output_bottleneck");
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
  if (layer.feed_forward.empty()) refuse("A layer has no feed-forward network.");
  return layer;
}

Embedding read_embedding(nb::handle given, const Program& p, const Kernels& kernels) {
  Embedding e;
  e.vocabulary = integer(given, "vocabulary", 1);
  e.positions = integer(given, "position_count", 1);
  e.types = integer(given, "type_count", 1);
  e.width = integer(given, "width", 1);
  if (e.width > kWidest) refuse("Words are wider than " + std::to_string(kWidest) + ".");
  e.trigram = nb::cast<bool>(given.attr("trigram"));
  e.words = floats(given, "words", static_cast<std::size_t>(e.vocabulary) * e.width);
  e.position_rows = floats(given, "positions", static_cast<std::size_t>(e.positions) * p.stream);
  e.type_rows = floats(given, "types", static_cast<std::size_t>(e.types) * p.stream);
  e.transformation = read_linear(given, "transformation", kernels);
  e.norm = read_norm(given, p.stream_width);
  const int read = padded((e.trigram ? 3 : 1) * e.width);
  expect(e.transformation, read, p.stream, "transformation");
  if (!e.words || !e.position_rows || !e.type_rows) refuse("An embedding table is missing.");
  if (!e.transformation && (e.trigram || e.width > p.stream))
    refuse("Words do not fit the stream without a transformation.");
  return e;
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

Program read_program(nb::handle given, const Kernels& kernels) {
  Program p;
  p.arithmetic = arithmetic_of(given, kernels, "attention_dtype");
  p.streamed = arithmetic_of(given, kernels, "stream_dtype");
  p.inside = arithmetic_of(given, kernels);
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
  p.embedding = read_embedding(given.attr("embedding"), p, kernels);
  for (nb::handle layer : given.attr("layers")) p.layers.push_back(read_layer(layer, p, kernels));
  p.pools = nb::cast<bool>(given.attr("pools"));
  p.pooler = read_linear(given, "pooler", kernels);
  p.transform = read_linear(given, "transform", kernels);
  p.vocabulary = read_linear(given, "vocabulary", kernels);
  p.projection = read_linear(given, "projection", kernels);
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
  const bool bottleneck = !p.layers.empty() && p.layers[0].input_bottleneck;
  for (const Layer& layer : p.layers)
    if (static_cast<bool>(layer.input_bottleneck) != bottleneck)
      refuse("Some layers have bottlenecks and some have none.");
  return p;
}

const Kernels& kernels_named(const std::string& name) {
  for (const Kernels* kernels : available_kernels())
    if (name == kernels->name) return *kernels;
  refuse("This processor cannot run " + name + ".");
}

// Checking a call.

void check_ids(const Integers& ids, std::size_t count, int least, int rows, const char* name) {
  check_size(ids.size(), count, name);
  check_aligned(ids, name);
  for (std::size_t i = 0; i < count; ++i)
    if (ids.data()[i] < least || ids.data()[i] >= rows)
      refuse(std::string(name) + " holds " + std::to_string(ids.data()[i]) + "; allowed are 0 to " +
             std::to_string(rows - 1) + ".");
}

void check_starts(const Integers& starts, std::size_t tokens) {
  check_aligned(starts, "starts");
  if (!starts.size() || starts.data()[0] != 0 ||
      starts.data()[starts.size() - 1] != static_cast<std::int64_t>(tokens) ||
      !std::is_sorted(starts.data(), starts.data() + starts.size()))
    refuse("starts must rise from 0 to the number of tokens.");
}

class NativeEncoder {
 public:
  NativeEncoder(nb::object program, const std::string& isa, int threads, bool mapped)
      : kept_(program),
        encoder_(checked(program, isa, threads), kernels_named(isa), threads, mapped) {}

  // Arguments are the arrays of a RaggedBatch; results are written into arrays of padded width.
  void run(const Integers& ids, const Integers& positions, const Integers& types,
           const Integers& following, const Integers& previous, const Integers& starts,
           const Integers& wanted_rows, nb::dict results) {
    const Program& p = encoder_.program();
    const std::size_t tokens = ids.size();
    check_starts(starts, tokens);
    check_ids(ids, tokens, 0, p.embedding.vocabulary, "ids");
    check_ids(positions, tokens, 0, p.embedding.positions, "positions");
    check_ids(types, tokens, 0, p.embedding.types, "types");
    check_ids(following, tokens, -1, p.embedding.vocabulary, "following");
    check_ids(previous, tokens, -1, p.embedding.vocabulary, "previous");
    check_ids(wanted_rows, wanted_rows.size(), 0, static_cast<int>(tokens), "wanted_rows");
    Call call;
    call.tokens = static_cast<int>(tokens);
    call.texts = static_cast<int>(starts.size()) - 1;
    call.wanted = static_cast<int>(wanted_rows.size());
    for (int text = 0; text < call.texts; ++text)
      if (starts.data()[text] == starts.data()[text + 1]) refuse("A text has no tokens.");
    call.ids = ids.data();
    call.positions = positions.data();
    call.types = types.data();
    call.following = following.data();
    call.previous = previous.data();
    call.starts = starts.data();
    call.wanted_rows = wanted_rows.data();
    const std::size_t texts = call.texts, width = p.stream;
    std::vector<Results> held;  // the dictionary may change while the GIL is released
    const auto place = [&](const char* name, std::size_t size) -> float* {
      if (!results.contains(name)) return nullptr;
      held.push_back(array_of<Results>(results[name], name));
      check_size(held.back().size(), size, name);
      return held.back().data();
    };
    call.stream = place("stream", tokens * width);
    call.states = place("states", (p.layers.size() + 1) * tokens * width);
    call.pooled = place("pooled", texts * width);
    call.vocabulary = place("vocabulary", wanted_rows.size() * p.vocabulary.out);
    call.projection = place("projection", (p.pools ? texts : tokens) * p.projection.out);
    if (call.wanted && p.vocabulary && !call.vocabulary) refuse("There is no room for the vocabulary.");
    nb::gil_scoped_release release;
    encoder_.run(call);
  }

  int threads() const { return encoder_.threads(); }
  int last_layer_rows() const { return encoder_.last_layer_rows(); }
  std::string isa() const { return encoder_.kernels().name; }

 private:
  static Program checked(nb::handle program, const std::string& isa, int threads) {
    if (threads < 1 || threads > 1024) refuse("threads must be between 1 and 1024.");
    return read_program(program, kernels_named(isa));
  }

  nb::object kept_;
  Encoder encoder_;
};

// Instruction sets that run here, slowest first, each with its element types.
std::vector<std::pair<std::string, std::vector<std::string>>> isas() {
  std::vector<std::pair<std::string, std::vector<std::string>>> found;
  for (const Kernels* kernels : available_kernels()) {
    std::vector<std::string> dtypes;
    for (const Arithmetic* arithmetic : {kernels->float32, kernels->bfloat16, kernels->int8})
      if (arithmetic) dtypes.push_back(arithmetic->dtype);
    found.emplace_back(kernels->name, dtypes);
  }
  return found;
}

const PeakLoop& peak_loop_named(const std::string& isa, const std::string& dtype) {
  for (const PeakLoop* loop : available_peak_loops())
    if (isa == loop->isa && dtype == loop->dtype) return *loop;
  refuse("This processor has no peak of " + isa + " in " + dtype + ".");
}

// Instruction set, element type, and multiply-adds a cycle of one core.
std::vector<std::tuple<std::string, std::string, int>> peaks() {
  std::vector<std::tuple<std::string, std::string, int>> found;
  for (const PeakLoop* loop : available_peak_loops())
    found.emplace_back(loop->isa, loop->dtype, loop->multiply_adds_a_cycle);
  return found;
}

double peak(const std::string& isa, const std::string& dtype, int threads, double seconds) {
  const PeakLoop& loop = peak_loop_named(isa, dtype);
  if (threads < 1 || threads > 1024) refuse("threads must be between 1 and 1024.");
  if (!(seconds > 0 && seconds <= 60)) refuse("seconds must be above 0 and at most 60.");
  nb::gil_scoped_release release;
  return measure_peak(loop, threads, seconds);
}

double clock_rate(double seconds) {
  if (!(seconds > 0 && seconds <= 60)) refuse("seconds must be above 0 and at most 60.");
  nb::gil_scoped_release release;
  return measure_clock(seconds);
}

}  // namespace
}  // namespace mobilebert

NB_MODULE(_native, module) {
  using mobilebert::NativeEncoder;
  module.doc() = "The engine's native part; mobilebert.engine is its Python interface.";
  module.attr("PANEL") = mobilebert::kPanel;
  module.def("isas", &mobilebert::isas,
             "Instruction sets that run here, slowest first, each with its element types.");
  module.def("peaks", &mobilebert::peaks,
             "Loops over registers that run here: instruction set, element type, multiply-adds a "
             "cycle of one core.");
  module.def("peak", &mobilebert::peak, "isa"_a, "dtype"_a, "threads"_a, "seconds"_a,
             "Multiply-adds a second of such a loop on some threads together.");
  module.def("clock_rate", &mobilebert::clock_rate, "seconds"_a,
             "Cycles a second of one core; 0 where it cannot be measured.");
  nb::class_<NativeEncoder>(module, "Encoder")
      .def(nb::init<nb::object, const std::string&, int, bool>(), "program"_a, "isa"_a,
           "threads"_a, "mapped"_a = false)
      .def("run", &NativeEncoder::run, "ids"_a.noconvert(), "positions"_a.noconvert(),
           "types"_a.noconvert(), "following"_a.noconvert(), "previous"_a.noconvert(),
           "starts"_a.noconvert(), "wanted_rows"_a.noconvert(), "results"_a)
      .def_prop_ro("threads", &NativeEncoder::threads)
      .def_prop_ro("last_layer_rows", &NativeEncoder::last_layer_rows,
                   "Rows that the last layer computed in the latest call.")
      .def_prop_ro("isa", &NativeEncoder::isa);
}
