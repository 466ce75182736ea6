// Comparisons that say where the worst number is, and their twins: a comparison is repeated with
// one operand of the kernel moved, and must then fail.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace {

using Floats = std::vector<float>;

class Numbers {
 public:
  // In (-1, -1/4] or [1/4, 1): where a number moves, every product with it does.
  float next() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    const float size = 0.25f + 0.75f * static_cast<float>(state_ >> 41) / (1 << 23);
    return state_ & (1ull << 40) ? -size : size;
  }
  Floats floats(std::size_t count, float scale = 1) {
    Floats x(count);
    for (float& number : x) number = scale * next();
    return x;
  }

 private:
  std::uint64_t state_ = 1;
};

Numbers numbers;
std::string path;  // what is tested: instruction set, element type
long comparisons = 0, twins = 0, failures = 0;

// Whether all are within the bound; says where the worst is if they must be and are not.
void compare(const Floats& found, const std::vector<double>& wanted, double bound,
             const std::string& what, bool must_agree) {
  ++(must_agree ? comparisons : twins);
  double largest = 1, worst = 0;
  std::size_t place = 0;
  for (double x : wanted) largest = std::max(largest, std::fabs(x));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double error = std::fabs(found[i] - wanted[i]);
    if (!(error <= worst)) {  // NaN is the worst
      worst = std::isnan(error) ? HUGE_VAL : error;
      place = i;
    }
  }
  if ((worst <= bound * largest) == must_agree) return;
  ++failures;
  if (must_agree)
    std::printf("%s: %s: number %zu is %.9g, not %.9g; bound %.2g\n", path.c_str(), what.c_str(),
                place, found[place], wanted[place], bound * largest);
  else
    std::printf("%s: %s: not noticed; bound %.2g\n", path.c_str(), what.c_str(), bound * largest);
}

struct Operand {
  const char* name;
  Floats* values;
  float by;      // how far its twin moves ...
  int step = 0;  // ... the first number, or where positive each number at a multiple of this
};

// Compares `kernel()` with what it gave for the operands as they are, and with each moved.
inline void compare_with_twins(const std::function<Floats()>& kernel,
                               const std::vector<double>& wanted, double bound,
                               const std::string& what, std::vector<Operand> operands) {
  compare(kernel(), wanted, bound, what, true);
  for (Operand& operand : operands) {
    const Floats kept = *operand.values;
    const std::size_t step = operand.step ? operand.step : kept.size();
    for (std::size_t i = 0; i < kept.size(); i += step) (*operand.values)[i] += operand.by;
    compare(kernel(), wanted, bound, what + ", moved " + operand.name, false);
    *operand.values = kept;
  }
}

}  // namespace
