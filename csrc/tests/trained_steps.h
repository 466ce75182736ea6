// Steps of training against plain loops in double precision, on pools of one thread and of several.
//
// A case has operands and results. Where an operand moves, results that depend on it must move too,
// and the others must not.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "../cpu.h"
#include "../kernels.h"
#include "../training.h"
#include "bfloat16.h"
#include "comparison.h"

namespace {

using namespace mobilebert;

using Doubles = std::vector<double>;
using Narrow = std::vector<std::uint16_t>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::uint16_t kNarrowNan = 0xffff;

// Errors are relative to the largest wanted number, at least 1. Those of float32 sums of products
// that are exact, of numbers of 8 bits, or that round by 2**-24: measured worst 7.7e-7.
constexpr double kExactBound = 2e-6;

// Operands are rounded beforehand: products then have no other error than that of their sums, and
// what is above 0 for the kernels is so for the loops.
Floats rounded_numbers(std::size_t count, float scale = 1) {
  return from_bfloat16(bfloat16_bits(numbers.floats(count, scale)));
}

// What a step keeps for its gradient; NaN, until it is written.
class Kept {
 public:
  Kept(int rows, int width)
      : memory_(static_cast<char*>(std::aligned_alloc(64, kept_bytes(rows, width))), std::free) {
    if (!memory_) throw std::bad_alloc();
    std::memset(memory_.get(), 0xff, kept_bytes(rows, width));
  }
  void* data() const { return memory_.get(); }

 private:
  std::unique_ptr<char, void (*)(void*)> memory_;
};

Floats unwritten(std::size_t count) { return Floats(count, kNan); }

struct Result {
  const char* name;
  Doubles wanted;
  double bound;
  std::vector<const Floats*> moved_by;  // operands
};

// `spoiled` is a case with more rows than `c`: what a call leaves in the memory of its threads is
// NaN then, and must not matter to the next.
template <class Case>
void check(Trainer& trainer, Case spoiled, Case c) {
  spoiled.spoil();
  spoiled.run(trainer);
  const std::vector<Result> results = c.results();
  const auto compare_all = [&](const Operand* moved) {
    const std::vector<Floats> found = c.run(trainer);
    for (std::size_t i = 0; i < results.size(); ++i) {
      const auto& by = results[i].moved_by;
      const bool agrees = !moved || std::find(by.begin(), by.end(), moved->values) == by.end();
      std::string what = c.name() + ": " + results[i].name;
      if (moved) what += std::string(", moved ") + moved->name;
      compare(found[i], results[i].wanted, results[i].bound, what, agrees);
    }
  };
  compare_all(nullptr);
  for (const Operand& operand : c.operands()) {
    const Floats kept = *operand.values;
    for (std::size_t i = 0; i < kept.size(); i += operand.step) (*operand.values)[i] += operand.by;
    compare_all(&operand);
    *operand.values = kept;
  }
}

// Runs a test on every instruction set of this machine that can train; returns an exit status.
// Where it is to be brief, which a program's argument says: a few sizes, on several threads only.
int test_trainers(const char* what, void (*test)(Trainer&, bool brief), bool brief) {
  for (const Kernels* kernels : available_kernels()) {
    if (!kernels->training) continue;
    const std::string name = kernels->name;
    numbers = Numbers();  // whatever trained before, the same
    for (int threads : {1, 3}) {
      if (threads == 1 && brief) continue;
      path = name + " on " + std::to_string(threads) + " threads";
      Pool pool(threads);
      Trainer trainer(*kernels->training, pool);
      test(trainer, brief);
      if (threads == 1 || brief) continue;
      // A thread of a pool that is in use does the work of all alone.
      path = name + " on a pool in use";
      pool.run([&](int index, int) {
        if (index == 1) test(trainer, false);
      });
    }
    std::printf("%s: %s trained\n", what, kernels->name);
  }
  if (!comparisons) std::printf("%s: no instruction set of this machine trains\n", what);
  std::printf("%ld comparisons and %ld twins, %ld failed\n", comparisons, twins, failures);
  return failures ? 1 : 0;
}

}  // namespace
