// What rounding a caller has set changes no number of bfloat16 on x86, and is set again after it:
// the threads of a pool do not have what the caller's thread has.
//
//   ./test_rounding      (built and run by run.sh)
#include <cfenv>
#include <cstdio>
#include <vector>

#include "../cpu.h"
#include "../kernels.h"
#include "../workspace.h"

using namespace mobilebert;

namespace {

#if defined(MOBILEBERT_X86)
constexpr bool kSets = true;
#else
constexpr bool kSets = false;  // bfloat16 on Arm leaves rounding as it is, like float32
#endif

int failures = 0;

// Ones by a matrix of zeros, a third, and a third of a third: float32 has to round.
std::vector<float> product(const Arithmetic& arithmetic) {
  const std::vector<float> ones(kPanel, 1), thirds(kPanel, 1.0f / 3);
  std::vector<float> result(kPanel);
  Buffer row, matrix;
  row.reserve(arithmetic.row_unit * arithmetic.row_bytes(kPanel));
  matrix.reserve(kPanel * kPanel * arithmetic.element);
  arithmetic.pack(ones.data(), kPanel, 1, kPanel, row.data(), 0);
  Product p{};
  p.a = row.data();
  p.rows = 1;
  p.depth = kPanel;
  p.b = matrix.data();
  p.last = 1;
  p.bias = p.residual = p.scale = thirds.data();
  p.exact = result.data();
  p.exact_stride = p.residual_stride = kPanel;
  arithmetic.multiply(p);
  return result;
}

std::vector<float> found_by_caller(int rounding, const Arithmetic& arithmetic) {
  std::fesetround(rounding);
  arithmetic.enter();
  const std::vector<float> result = product(arithmetic);
  arithmetic.leave();
  if (std::fegetround() != rounding) {
    ++failures;
    std::printf("The caller's rounding is lost.\n");
  }
  std::fesetround(FE_TONEAREST);
  return result;
}

}  // namespace

int main() {
  for (const Kernels* kernels : available_kernels()) {
    if (!kSets || !kernels->bfloat16) continue;
    const auto nearest = found_by_caller(FE_TONEAREST, *kernels->bfloat16);
    if (found_by_caller(FE_UPWARD, *kernels->bfloat16) != nearest) {
      ++failures;
      std::printf("%s rounds as the caller does.\n", kernels->name);
    }
    // The twin: float32 leaves rounding as it is.
    if (found_by_caller(FE_UPWARD, *kernels->float32) == nearest) {
      ++failures;
      std::printf("%s: other rounding is not noticed.\n", kernels->name);
    }
  }
  return failures ? 1 : 0;
}
