// Fuzz target of the encoder: any program of any shape on any batch must neither crash nor touch
// memory that is not its own, and must give a text the same numbers alone, among others, with any
// number of threads and whatever rounding the caller has set. What the encoder does not check (ids, lengths of arrays) is checked by
// bindings.cc before it; tests/engine/test_native_encoder.py fuzzes that.
//
//   ./fuzz_encoder [amount] [seed]      (built and run by run.sh)
//
// An input is one program and a series of batches for it: making a program costs more than running
// it. An execution is a batch with its checks. With clang it is a libFuzzer target as it is
// (-fsanitize=fuzzer -DMOBILEBERT_LIBFUZZER).
#include <cfenv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "../cpu.h"
#include "random_program.h"

#if defined(MOBILEBERT_X86)
#include <immintrin.h>
#endif
#if !defined(__SANITIZE_THREAD__)
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace mobilebert;

namespace {

// ThreadSanitizer is for what threads share; otherwise one thread shows as much in less time.
#if defined(__SANITIZE_THREAD__)
constexpr int kSeveralThreadsIn8 = 7, kAtOnceIn16 = 6;
#else
constexpr int kSeveralThreadsIn8 = 1, kAtOnceIn16 = 1;
#endif

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

// Exactly as large as the encoder may fill them; null where they are not wanted.
struct Results {
  std::vector<float> stream, states, pooled, vocabulary, projection;
};

float* room(std::vector<float>& result, std::size_t size) {
  result.resize(size);
  return size ? result.data() : nullptr;
}

// Which results are asked for.
enum Asked : int { kStream = 1, kStates = 2, kPooled = 4, kProjection = 8, kEverything = 15 };

Results run(Encoder& encoder, const Batch& batch, int asked = kEverything) {
  const Program& p = encoder.program();
  Results r;
  Call call;
  call.tokens = batch.tokens();
  call.texts = batch.texts();
  call.wanted = static_cast<int>(batch.wanted.size());
  const std::size_t tokens = call.tokens, texts = call.texts;
  call.ids = batch.ids.data();
  call.positions = batch.positions.data();
  call.types = batch.types.data();
  call.following = batch.following.data();
  call.previous = batch.previous.data();
  call.starts = batch.starts.data();
  call.wanted_rows = batch.wanted.data();
  if (asked & kStream) call.stream = room(r.stream, tokens * p.stream);
  if (asked & kStates) call.states = room(r.states, (p.layers.size() + 1) * tokens * p.stream);
  if (asked & kPooled) call.pooled = room(r.pooled, texts * p.stream);
  call.vocabulary = room(r.vocabulary, batch.wanted.size() * p.vocabulary.out);
  if (asked & kProjection)
    call.projection = room(r.projection, (p.pools ? texts : tokens) * p.projection.out);
  encoder.run(call);
  return r;
}

// The same from a thread that rounds upward and, on x86, takes numbers below 2**-126 for zeros.
Results run_rounding_upward(Encoder& encoder, const Batch& batch, int asked) {
  std::fesetround(FE_UPWARD);
#if defined(MOBILEBERT_X86)
  const unsigned set = _mm_getcsr() | 0x8040;
  _mm_setcsr(set);
#endif
  Results found = run(encoder, batch, asked);
  if (std::fegetround() != FE_UPWARD) fail("The caller's rounding is lost.");
#if defined(MOBILEBERT_X86)
  if ((_mm_getcsr() ^ set) & 0x8040) fail("The caller's zeros are lost.");
#endif
  std::fesetenv(FE_DFL_ENV);
  return found;
}

// Which of several NaNs comes out depends on the order of operands, which compilers choose.
bool same(float x, float y) {
  return !std::memcmp(&x, &y, sizeof x) || (std::isnan(x) && std::isnan(y));
}

void expect_same(const float* x, const float* y, std::size_t count, const char* what) {
  if (!count || !std::memcmp(x, y, count * sizeof(float))) return;
  for (std::size_t i = 0; i < count; ++i)
    if (!same(x[i], y[i])) fail(what);
}

// What was asked for in both.
void expect_same(const std::vector<float>& x, const std::vector<float>& y, const char* what) {
  if (!x.empty() && !y.empty()) expect_same(x.data(), y.data(), x.size(), what);
}

void expect_same(const Results& x, const Results& y, const char* what) {
  expect_same(x.stream, y.stream, what);
  expect_same(x.states, y.states, what);
  expect_same(x.pooled, y.pooled, what);
  expect_same(x.vocabulary, y.vocabulary, what);
  expect_same(x.projection, y.projection, what);
}

struct Count {
  long programs = 0, executions = 0;
};
Count counts[16];  // of each instruction set

// Texts of mostly a few tokens, seldom of any length up to 512.
class BatchShapes {
 public:
  explicit BatchShapes(Choices& choose) : longest_(choose.one_in(32) ? 512 : 90) {}
  int longest() const { return longest_; }

  Batch draw(const Program& p, Numbers& numbers) const {
    Batch batch;
    const int crowd = numbers.below(512);
    const int most = crowd == 0 ? 300 : crowd < 64 ? 5 : 2;
    for (int texts = 1 + numbers.below(most); texts > 0; --texts)
      batch.add(1 + numbers.below(longest_of(numbers.below(128))), p.embedding, numbers);
    if (p.vocabulary)
      for (int wanted = numbers.below(numbers.below(64) ? 4 : 150); wanted > 0; --wanted)
        batch.wanted.push_back(numbers.below(batch.tokens()));
    return batch;
  }

 private:
  int longest_of(int kind) const { return kind == 0 ? longest_ : kind < 8 ? 34 : 6; }

  int longest_;
};

class Session {
 public:
  Session(Choices& choose, int which, const Kernels& kernels)
      : numbers_(choose.below(256) * 256 + choose.below(256)),
        shapes_(choose),
        model_(choose, kernels, shapes_.longest()),
        kernels_(kernels),
        encoder_(model_.program(), kernels,
                 choose.below(8) < kSeveralThreadsIn8
                     ? (choose.one_in(16) ? choose.between(5, 16) : choose.between(2, 4))
                     : 1),
        count_(counts[which]) {
    ++count_.programs;
  }

  void execute(Choices& choose) {
    ++count_.executions;
    const Batch batch = shapes_.draw(model_.program(), numbers_);
    const int asked = choose.one_in(2) ? kEverything : choose.below(16);
    const Results found = choose.one_in(4) ? run_rounding_upward(encoder_, batch, asked)
                                           : run(encoder_, batch, asked);
    if (model_.finite())
      for (float x : found.stream)
        if (!std::isfinite(x)) fail("A result is not finite.");
    const int check = choose.below(16);
    if (check < kAtOnceIn16)
      call_at_once(batch, found);
    else if (check < 6)
      compare_alone(choose, batch, found);
    else if (check < (encoder_.threads() > 1 ? 10 : 7))
      compare_with_one_thread(batch, found);
  }

 private:
  void compare_alone(Choices& choose, const Batch& batch, const Results& found) {
    const int text = choose.below(batch.texts());
    const std::size_t width = model_.program().stream;
    const Results alone = run(encoder_, batch.only(text), kStream | kPooled);
    if (!found.stream.empty())
      expect_same(alone.stream.data(), found.stream.data() + batch.starts[text] * width,
                  alone.stream.size(), "A text has other numbers alone than among others.");
    if (!found.pooled.empty())
      expect_same(alone.pooled.data(), found.pooled.data() + text * width, width,
                  "A pooled text has other numbers alone than among others.");
  }

  // A fresh encoder has no memory left from larger batches.
  void compare_with_one_thread(const Batch& batch, const Results& found) {
    Encoder single(model_.program(), kernels_, 1);
    expect_same(run(single, batch), found, "The number of threads changes the numbers.");
  }

  void call_at_once(const Batch& batch, const Results& found) {
    Results other;
    std::thread caller([&] { other = run(encoder_, batch); });
    const Results mine = run(encoder_, batch);
    caller.join();
    expect_same(mine, found, "A call at the same time changes the numbers.");
    expect_same(other, found, "A call at the same time has other numbers.");
  }

  Numbers numbers_;
  BatchShapes shapes_;
  RandomProgram model_;
  const Kernels& kernels_;
  Encoder encoder_;
  Count& count_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<const Kernels*> available = available_kernels();
  Choices choose(data, size);
  const int which = choose.below(static_cast<int>(available.size()));
  Session session(choose, which, *available[which]);
  do session.execute(choose);
  while (!choose.exhausted());
  return 0;
}

#if !defined(MOBILEBERT_LIBFUZZER)
namespace {

constexpr int kInputBytes = 160;  // a program and some 40 batches

std::uint64_t state = 1;

std::uint8_t random_byte() {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return static_cast<std::uint8_t>(state >> 56);
}

long executions() {
  long sum = 0;
  for (const Count& count : counts) sum += count.executions;
  return sum;
}

// In a forked process the threads of the pool are not there.
void run_in_forked_process() {
#if !defined(__SANITIZE_THREAD__)  // it does not follow into forked processes
  const std::vector<std::uint8_t> input(64, 3);
  Choices choose(input.data(), input.size());
  const RandomProgram model(choose, kGeneric, 40);
  Numbers numbers(1);
  Batch batch;
  batch.add(40, model.program().embedding, numbers);
  auto encoder = std::make_unique<Encoder>(model.program(), kGeneric, 3);
  const Results wanted = run(*encoder, batch);
  const pid_t child = fork();
  if (!child) {
    alarm(60);  // instead of waiting for threads that are not there
    expect_same(run(*encoder, batch), wanted, "A forked process has other numbers.");
    encoder.reset();
    _exit(0);  // the pool that it leaves behind is no leak
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || status) fail("The forked process failed.");
#endif
}

}  // namespace

// `amount` is seconds, or executions if an x follows: 60 or 1000000x.
int main(int count, char** arguments) {
  const std::string given = count > 1 ? arguments[1] : "10";
  const bool counted = given.back() == 'x';
  const double amount = std::atof(given.c_str());
  if (count > 2) state = std::strtoull(arguments[2], nullptr, 10);
  run_in_forked_process();
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::vector<std::uint8_t> input(kInputBytes);
  while ((counted ? executions() : seconds()) < amount) {
    for (auto& byte : input) byte = random_byte();
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  const double elapsed = seconds();
  std::printf("%ld executions without a finding in %.0f s, %.0f a second\n", executions(), elapsed,
              executions() / elapsed);
  const auto available = available_kernels();
  for (std::size_t i = 0; i < available.size(); ++i)
    std::printf("instruction set %s: %ld executions of %ld programs\n", available[i]->name,
                counts[i].executions, counts[i].programs);
}
#endif
