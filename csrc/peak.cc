#include "peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "cpu.h"

#if defined(MOBILEBERT_X86)
#include <cpuid.h>
#endif

namespace mobilebert {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

#if defined(MOBILEBERT_X86)
bool has_kernels(const std::string& name) {
  for (const Kernels* kernels : available_kernels())
    if (name == kernels->name) return true;
  return false;
}
#endif

// Turns that take some milliseconds, so that looking at the clock costs nothing.
std::uint64_t turns_of_a_glance(const PeakLoop& loop) {
  std::uint64_t turns = 1024;
  for (;;) {
    const Clock::time_point start = Clock::now();
    loop.run(turns);
    if (since(start) > 2e-3) return turns;
    turns *= 2;
  }
}

}  // namespace

std::vector<const PeakLoop*> available_peak_loops() {
  std::vector<const PeakLoop*> loops;
#if defined(MOBILEBERT_X86)
  unsigned a, b, c = 0, d = 0;
  __get_cpuid_count(7, 0, &a, &b, &c, &d);
  const bool vnni = (c >> 11) & 1;
  if (has_kernels("avx2")) loops.push_back(&kPeakAvx2Float32);
  if (has_kernels("avx512")) loops.push_back(&kPeakAvx512Float32);
  if (has_kernels("avx512") && vnni) loops.push_back(&kPeakAvx512VnniInt8);
  if (has_kernels("amx")) {  // which are there where tiles multiply both
    loops.push_back(&kPeakAmxBfloat16);
    loops.push_back(&kPeakAmxInt8);
  }
#endif
  return loops;
}

double measure_peak(const PeakLoop& loop, int threads, double seconds) {
  const std::uint64_t turns = turns_of_a_glance(loop);
  std::atomic<int> ready{0}, wanted{threads};
  std::atomic<std::uint64_t> done{0};
  std::vector<std::thread> others;
  double longest = 0;
  const auto work = [&]() {
    ready.fetch_add(1);
    while (ready.load() < wanted.load()) std::this_thread::yield();
    if (wanted.load() == 0) return 0.0;  // not all of them could be had
    std::uint64_t mine = 0;
    const Clock::time_point start = Clock::now();
    do {
      loop.run(turns);
      mine += turns;
    } while (since(start) < seconds);
    done.fetch_add(mine);
    return since(start);
  };
  try {
    for (int thread = 1; thread < threads; ++thread) others.emplace_back(work);
  } catch (const std::system_error&) {
    wanted.store(0);
    for (std::thread& other : others) other.join();
    throw std::runtime_error("The system gives no more than " +
                             std::to_string(others.size() + 1) + " of " +
                             std::to_string(threads) + " threads; use fewer.");
  }
  longest = work();
  for (std::thread& other : others) other.join();
  return static_cast<double>(done.load()) * loop.multiply_adds_a_turn / longest;
}

double measure_clock(double seconds) {
#if defined(MOBILEBERT_X86)
  // A multiplication waits 3 cycles for the one before it, on every x86-64 core since 2008.
  constexpr int kChain = 8, kLatency = 3, kTurns = 100000;
  std::uint64_t x = 3;
  double best = 0;
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point glance = Clock::now();
    for (int turn = 0; turn < kTurns; ++turn)
      __asm__ volatile(
          "imul %0, %0\n imul %0, %0\n imul %0, %0\n imul %0, %0\n"
          "imul %0, %0\n imul %0, %0\n imul %0, %0\n imul %0, %0\n"
          : "+r"(x));
    // The best of many: where others work on the processor, some take several times as long.
    best = std::max(best, static_cast<double>(kTurns) * kChain * kLatency / since(glance));
  } while (since(start) < seconds);
  return best;
#else
  (void)seconds;
  return 0;
#endif
}

}  // namespace mobilebert
