// Products and sums in float32, AVX2 and FMA.
#include <immintrin.h>

#include "peak.h"

namespace mobilebert {
namespace {

// Two units with a latency of 4 cycles need 8 sums in flight; 10 leave room for the loop itself.
constexpr int kSums = 10, kLanes = 8;

void run(std::uint64_t turns) {
  __m256 sums[kSums];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  const __m256 x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(0.25f);
  for (std::uint64_t turn = 0; turn < turns; ++turn)
    for (__m256& sum : sums) __asm__ volatile("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(x), "x"(y));
}

}  // namespace

const PeakLoop kPeakAvx2Float32{"avx2", "float32", 2 * kLanes, kSums * kLanes, run};

}  // namespace mobilebert
