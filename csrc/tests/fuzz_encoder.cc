// Fuzz target of the encoder: any program of any shape on any batch must neither crash nor touch
// memory that is not its own, and must give a text the same numbers alone, among others, and with
// any number of threads.
//
//   ./fuzz_encoder [seconds] [seed]      (built and run by run.sh)
//
// With clang it is a libFuzzer target as it is (-fsanitize=fuzzer -DMOBILEBERT_LIBFUZZER).
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "../cpu.h"
#include "../encoder.h"

using namespace mobilebert;

namespace {

// Reads choices from the input; behind its end come zeros.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  int below(int count) {
    const int value = at_ < size_ ? data_[at_] : 0;
    ++at_;
    return value % count;
  }
  int between(int least, int most) { return least + below(most - least + 1); }

 private:
  const std::uint8_t* data_;
  std::size_t size_, at_ = 0;
};

class Numbers {
 public:
  explicit Numbers(std::uint32_t seed) : state_(seed * 2654435761u + 1) {}
  float next() {  // in [-1, 1)
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<float>(static_cast<std::int32_t>(state_)) * (1.0f / 2147483648.0f);
  }

 private:
  std::uint32_t state_;
};

// Weights live in blocks of exactly their size, so that a sanitizer sees a step beyond them.
class Model {
 public:
  Model(Choices& choose, const Kernels& kernels, bool bfloat16, int longest)
      : numbers_(choose.below(256)) {
    p_.embedding.positions = longest;
    p_.arithmetic = bfloat16 ? kernels.bfloat16 : kernels.float32;
    p_.activation = static_cast<Activation>(1 + choose.below(5));
    const bool bottleneck = choose.below(4) != 0;
    p_.stream = kPanel * choose.between(1, 2);
    p_.stream_width = p_.stream - choose.below(kPanel);
    p_.narrow = bottleneck ? kPanel * choose.between(1, 2) : p_.stream;
    p_.inner = kPanel * choose.between(1, 2);
    p_.head = kPanel * choose.between(1, 2);
    norm_ = choose.below(2) != 0;
    embedding(choose);
    for (int layers = choose.between(0, 2); layers > 0; --layers) layer(choose, bottleneck);
    const int heads = choose.below(8);
    p_.pools = heads & 1;
    if (heads & 1) p_.pooler = linear(p_.stream, p_.stream, false, false, kernels.float32);
    if (heads & 2) {
      p_.transform = linear(p_.stream, p_.stream, false, true, p_.arithmetic);
      p_.vocabulary =
          linear(p_.stream, kPanel * choose.between(1, 4), false, false, p_.arithmetic);
    }
    if (heads & 4) p_.projection = linear(p_.stream, kPanel, false, false, kernels.float32);
  }
  const Program& program() const { return p_; }

 private:
  const float* floats(std::size_t count, float scale, float offset = 0) {
    blocks_.emplace_back(new float[count ? count : 1]);
    for (std::size_t i = 0; i < count; ++i) blocks_.back()[i] = offset + scale * numbers_.next();
    return blocks_.back().get();
  }

  const void* weight(std::size_t count, float scale, const Arithmetic* arithmetic) {
    if (arithmetic->element == sizeof(float)) return floats(count, scale);
    halves_.emplace_back(new std::uint16_t[count ? count : 1]);
    for (std::size_t i = 0; i < count; ++i) {
      const float value = scale * numbers_.next();
      std::uint32_t bits;
      std::memcpy(&bits, &value, 4);
      halves_.back()[i] = static_cast<std::uint16_t>(bits >> 16);
    }
    return halves_.back().get();
  }

  Linear linear(int in, int out, bool adds, bool norm, const Arithmetic* arithmetic) {
    Linear step;
    step.in = in;
    step.out = out;
    step.width = out == p_.stream ? p_.stream_width : out;
    step.arithmetic = arithmetic;
    step.weight = weight(static_cast<std::size_t>(in) * out, 1.0f / std::sqrt(float(in)), arithmetic);
    step.bias = floats(out, 0.3f);
    if (adds) step.scale = floats(out, 0.3f, 1.0f);
    if (norm) step.norm = {floats(step.width, 0.3f, 1.0f), floats(step.width, 0.3f), 1e-5f};
    return step;
  }

  void embedding(Choices& choose) {
    Embedding& e = p_.embedding;
    e.vocabulary = choose.between(1, 40);
    e.types = choose.between(1, 3);
    const bool transforms = choose.below(4) != 0;
    e.trigram = transforms && choose.below(4) != 0;
    e.width = transforms ? choose.between(1, 40) : p_.stream_width;
    e.words = floats(static_cast<std::size_t>(e.vocabulary) * e.width, 1);
    e.position_rows = floats(static_cast<std::size_t>(e.positions) * p_.stream, 1);
    e.type_rows = floats(static_cast<std::size_t>(e.types) * p_.stream, 1);
    if (transforms)
      e.transformation =
          linear(padded((e.trigram ? 3 : 1) * e.width), p_.stream, true, norm_, p_.arithmetic);
    else if (norm_)
      e.norm = {floats(p_.stream_width, 0.3f, 1.0f), floats(p_.stream_width, 0.3f), 1e-5f};
  }

  void layer(Choices& choose, bool bottleneck) {
    const Arithmetic* a = p_.arithmetic;
    Layer layer;
    layer.heads = choose.between(1, 3);
    layer.reads = bottleneck ? static_cast<Reads>(choose.below(3)) : Reads::kStream;
    if (bottleneck) {
      layer.input_bottleneck = linear(p_.stream, p_.narrow, false, norm_, a);
      layer.output_bottleneck = linear(p_.narrow, p_.stream, true, norm_, a);
    }
    if (layer.reads == Reads::kSharedBottleneck)
      layer.attention_bottleneck = linear(p_.stream, p_.narrow, false, norm_, a);
    const int queried = layer.reads == Reads::kStream ? p_.stream : p_.narrow;
    const int width = layer.heads * p_.head;
    layer.query = linear(queried, width, false, false, a);
    layer.key = linear(queried, width, false, false, a);
    layer.value =
        linear(layer.reads == Reads::kBottleneck ? p_.narrow : p_.stream, width, false, false, a);
    layer.attention_output = linear(width, p_.narrow, true, norm_, a);
    for (int networks = choose.between(1, 3); networks > 0; --networks)
      layer.feed_forward.push_back({linear(p_.narrow, p_.inner, false, false, a),
                                    linear(p_.inner, p_.narrow, true, norm_, a)});
    p_.layers.push_back(layer);
  }

  Numbers numbers_;
  bool norm_ = false;
  Program p_;
  std::deque<std::unique_ptr<float[]>> blocks_;
  std::deque<std::unique_ptr<std::uint16_t[]>> halves_;
};

struct Batch {
  std::vector<std::int32_t> ids, positions, types, following, previous, starts{0}, wanted;

  void add(const std::vector<std::int32_t>& text, int types_known) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      ids.push_back(text[i]);
      positions.push_back(static_cast<std::int32_t>(i));
      types.push_back(static_cast<std::int32_t>(i) % types_known);
      following.push_back(i + 1 < text.size() ? text[i + 1] : -1);
      previous.push_back(i ? text[i - 1] : -1);
    }
    starts.push_back(static_cast<std::int32_t>(ids.size()));
  }
};

struct Results {
  std::vector<float> stream, states, pooled, vocabulary, projection;
};

Results run(Encoder& encoder, const Batch& batch) {
  const Program& p = encoder.program();
  Results r;
  Call call;
  call.tokens = static_cast<int>(batch.ids.size());
  call.texts = static_cast<int>(batch.starts.size()) - 1;
  call.wanted = static_cast<int>(batch.wanted.size());
  const std::size_t tokens = call.tokens, texts = call.texts;
  r.stream.resize(tokens * p.stream);
  r.states.resize((p.layers.size() + 1) * tokens * p.stream);
  r.pooled.resize(texts * p.stream);
  r.vocabulary.resize(batch.wanted.size() * p.vocabulary.out);
  r.projection.resize((p.pools ? texts : tokens) * p.projection.out);
  call.ids = batch.ids.data();
  call.positions = batch.positions.data();
  call.types = batch.types.data();
  call.following = batch.following.data();
  call.previous = batch.previous.data();
  call.starts = batch.starts.data();
  call.wanted_rows = batch.wanted.data();
  call.stream = r.stream.data();
  call.states = r.states.data();
  call.pooled = r.pooled.data();
  call.vocabulary = p.vocabulary ? r.vocabulary.data() : nullptr;
  call.projection = p.projection ? r.projection.data() : nullptr;
  encoder.run(call);
  return r;
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void expect_same(const float* x, const float* y, std::size_t count, const char* what) {
  if (count && std::memcmp(x, y, count * sizeof(float))) fail(what);
}

long executions[8];

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<const Kernels*> available = available_kernels();
  Choices choose(data, size);
  const int which = choose.below(static_cast<int>(available.size()));
  const Kernels& kernels = *available[which];
  const bool bfloat16 = kernels.bfloat16 && choose.below(4);
  ++executions[which];
  const int threads = choose.between(1, 4);
  std::vector<std::vector<std::int32_t>> texts(choose.between(1, 4));
  std::size_t longest = 0;
  for (auto& text : texts) {
    // Mostly short: long ones show little more, and take long.
    const int kind = choose.below(64);
    text.resize(kind == 0  ? choose.between(1, 256) + choose.between(0, 255) + 1
                : kind < 8 ? choose.between(1, 70)
                           : choose.between(1, 12));
    longest = std::max(longest, text.size());
  }
  Model model(choose, kernels, bfloat16, static_cast<int>(longest));
  const Program& p = model.program();
  Batch batch;
  for (auto& text : texts) {
    for (auto& id : text) id = choose.below(p.embedding.vocabulary);
    batch.add(text, p.embedding.types);
  }
  const int tokens = static_cast<int>(batch.ids.size());
  if (p.vocabulary)
    for (int wanted = choose.below(90); wanted > 0; --wanted)
      batch.wanted.push_back(choose.below(tokens));
  Encoder encoder(p, kernels, threads);
  const Results together = run(encoder, batch);
  for (float x : together.stream)
    if (!std::isfinite(x)) fail("A result is not finite.");
  const int chosen = choose.below(static_cast<int>(texts.size()));
  Batch one;
  one.add(texts[chosen], p.embedding.types);
  const Results alone = run(encoder, one);
  const std::size_t first = static_cast<std::size_t>(batch.starts[chosen]) * p.stream;
  expect_same(alone.stream.data(), together.stream.data() + first, alone.stream.size(),
              "A text has other numbers alone than among others.");
  expect_same(alone.pooled.data(), together.pooled.data() + std::size_t(chosen) * p.stream,
              p.stream, "A pooled text has other numbers alone than among others.");
  Encoder single(p, kernels, 1);
  const Results by_one = run(single, batch);
  expect_same(by_one.stream.data(), together.stream.data(), together.stream.size(),
              "The number of threads changes the stream.");
  expect_same(by_one.states.data(), together.states.data(), together.states.size(),
              "The number of threads changes the states.");
  expect_same(by_one.vocabulary.data(), together.vocabulary.data(), together.vocabulary.size(),
              "The number of threads changes the vocabulary.");
  expect_same(by_one.projection.data(), together.projection.data(), together.projection.size(),
              "The number of threads changes the projection.");
  return 0;
}

#if !defined(MOBILEBERT_LIBFUZZER)
int main(int count, char** arguments) {
  const double seconds = count > 1 ? std::atof(arguments[1]) : 10;
  std::uint64_t state = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1;
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::uint8_t> input(400);
  long runs = 0;
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds) {
    for (auto& byte : input) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      byte = static_cast<std::uint8_t>(state >> 56);
    }
    LLVMFuzzerTestOneInput(input.data(), input.size());
    ++runs;
  }
  std::printf("%ld executions without a finding:", runs);
  const auto available = available_kernels();
  for (std::size_t i = 0; i < available.size(); ++i)
    std::printf(" %s %ld", available[i]->name, executions[i]);
  std::printf("\n");
}
#endif
