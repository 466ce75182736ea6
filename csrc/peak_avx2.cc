// Products and sums in float32, AVX2 and FMA.
#include <immintrin.h>

#include "peak_loop.h"

namespace mobilebert {
namespace {

struct Float32 {
  using Vector = __m256;
  // Two units with a latency of 4 cycles need 8 sums in flight; 10 leave room for the loop itself.
  static constexpr int kSums = 10, kProducts = 8;
  static Vector zero() { return _mm256_setzero_ps(); }
  static Vector left() { return _mm256_set1_ps(0.5f); }
  static Vector right() { return _mm256_set1_ps(0.25f); }
  static void add(Vector& sum, const Vector& x, const Vector& y) {
    __asm__ volatile("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(x), "x"(y));
  }
};

}  // namespace

constexpr PeakLoop kPeakAvx2Float32 = vector_loop<Float32>("avx2", "float32");

}  // namespace mobilebert
