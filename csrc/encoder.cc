#include "encoder.h"

#include <algorithm>

#include "default_rounding.h"
#include "worker.h"
#include "workspace.h"

namespace mobilebert {
namespace {

// Calls f(step) for the dense layers that every call reads, in their order. The vocabulary, which
// is as large as all of them together and read for few tokens, stays where it is.
template <class F>
void for_steps(Program& p, F f) {
  const auto given = [&](Linear& step) {
    if (step) f(step);
  };
  given(p.embedding.transformation);
  for (Layer& layer : p.layers) {
    for (Linear* step : {&layer.input_bottleneck, &layer.attention_bottleneck, &layer.query,
                         &layer.key, &layer.value, &layer.attention_output})
      given(*step);
    for (FeedForward& network : layer.feed_forward) {
      given(network.inner);
      given(network.outer);
    }
    given(layer.output_bottleneck);
  }
  given(p.transform);
}

// The rows of a call whose last state anything reads; none where all may as well be computed.
void find_needed(const Program& p, const Call& call, std::vector<int>& needed) {
  needed.clear();
  const bool over_tokens = p.projection && call.projection && !p.pools;
  if (call.stream || call.states || over_tokens || p.layers.empty()) return;
  if (p.pools || call.pooled) needed.assign(call.starts, call.starts + call.texts);
  if (p.vocabulary) needed.insert(needed.end(), call.wanted_rows, call.wanted_rows + call.wanted);
  std::sort(needed.begin(), needed.end());
  needed.erase(std::unique(needed.begin(), needed.end()), needed.end());
  // Rows apart from each other cost more each: half of them cost as much as all.
  if (2 * static_cast<int>(needed.size()) > call.tokens) needed.clear();
}

std::size_t weight_bytes(const Linear& step) { return step.out / kPanel * step.panel_bytes(); }

}  // namespace

// Copies the weights of `for_steps` behind each other, and tells each step the next one.
void Encoder::gather_weights(bool mapped) {
  std::size_t bytes = 0;
  for_steps(program_, [&](Linear& step) {
    bytes += Arena::room(weight_bytes(step)) + 2 * Arena::room(step.out * sizeof(float));
  });
  if (!bytes) return;
  weights_.reserve(bytes);
  Linear* before = nullptr;
  for_steps(program_, [&](Linear& step) {
    if (before) before->next = &step;
    before = &step;
    const void* given = step.weight;
    step.weight = weights_.copy(given, weight_bytes(step));
    if (mapped) Arena::drop_pages(given, weight_bytes(step));
    step.bias = weights_.copy(step.bias, step.out * sizeof(float));
    if (step.scale) step.scale = weights_.copy(step.scale, step.out * sizeof(float));
  });
}

Encoder::Encoder(Program program, const Kernels& kernels, int threads, bool mapped)
    : program_(std::move(program)), kernels_(kernels), pool_(threads) {
  for (const Layer& layer : program_.layers)
    program_.heads_width = std::max(program_.heads_width, layer.heads * program_.head);
  gather_weights(mapped);
}

Encoder::~Encoder() = default;

// In a forked process the lock may be held, and the list be half changed, by a thread that is not
// there: then it works in memory of its own.
bool Encoder::locked(std::unique_lock<std::mutex>& lock) const {
  if (pool_.forked()) return lock.try_lock();
  lock.lock();
  return true;
}

std::unique_ptr<Workspace> Encoder::take_workspace() {
  std::unique_lock<std::mutex> mine(mutex_, std::defer_lock);
  if (!locked(mine) || idle_.empty()) return std::make_unique<Workspace>();
  auto workspace = std::move(idle_.back());
  idle_.pop_back();
  return workspace;
}

void Encoder::give_back(std::unique_ptr<Workspace> workspace) {
  std::unique_lock<std::mutex> mine(mutex_, std::defer_lock);
  if (locked(mine)) idle_.push_back(std::move(workspace));
}

void Encoder::run(const Call& call) {
  if (!call.tokens) return;
  // All memory is taken before threads start: they cannot fail.
  auto workspace = take_workspace();
  Workspace& space = *workspace;
  const std::size_t width = program_.heads_width;
  int longest = 0;
  std::size_t key_rows = 0;
  space.key_starts.resize(call.texts);
  for (int text = 0; text < call.texts; ++text) {
    const int length = call.starts[text + 1] - call.starts[text];
    space.key_starts[text] = key_rows;
    key_rows += padded(length);
    longest = std::max(longest, length);
  }
  const std::size_t tokens = call.tokens;
  const Arithmetic& arithmetic = *program_.arithmetic;
  space.states.reserve(tokens, program_);
  find_needed(program_, call, space.needed);
  last_layer_rows_ = space.needed.empty() ? call.tokens : static_cast<int>(space.needed.size());
  space.last.reserve(space.needed.size(), program_);
  space.query.reserve(tokens * width * sizeof(float));
  for (int parity = 0; parity < 2; ++parity) {
    space.keys[parity].reserve(key_rows * width * arithmetic.element);
    space.values[parity].reserve(key_rows * width * arithmetic.element);
  }
  space.pooled.reserve(2 * sizeof(float) * call.texts * program_.stream);
  if (program_.transform) {
    const std::size_t rows = std::min(kBlock, call.wanted);
    space.chosen.reserve(rows, program_.stream, *program_.transform.arithmetic);
    space.transformed.reserve(rows, program_.stream, *program_.transform.arithmetic);
  }
  while (static_cast<int>(space.scratch.size()) < pool_.size()) {
    space.scratch.push_back(std::make_unique<Scratch>());
    space.attention.push_back(std::make_unique<Buffer>());
  }
  for (auto& scratch : space.scratch) scratch->reserve(program_, std::min(kBlock, call.tokens));
  for (auto& scratch : space.attention)
    scratch->reserve(arithmetic.attention_scratch(longest, program_.head));
  Barrier together(pool_.size()), alone(1);
  pool_.run([&](int index, int size) {
    const DefaultRounding rounding;
    Worker(*this, call, space, size == 1 ? alone : together, index, size).run();
  });
  give_back(std::move(workspace));
}

}  // namespace mobilebert
