// Products and sums in float32 (AVX-512) and in int8 (VNNI).
#include <immintrin.h>

#include "peak_loop.h"

namespace mobilebert {
namespace {

// Two units with a latency of 4 or 5 cycles need 10 sums in flight.
constexpr int kSumsInFlight = 12;

struct Float32 {
  using Vector = __m512;
  static constexpr int kSums = kSumsInFlight, kProducts = 16;
  static Vector zero() { return _mm512_setzero_ps(); }
  static Vector left() { return _mm512_set1_ps(0.5f); }
  static Vector right() { return _mm512_set1_ps(0.25f); }
  static void add(Vector& sum, const Vector& x, const Vector& y) {
    __asm__ volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
  }
};

struct Int8 {
  using Vector = __m512i;
  static constexpr int kSums = kSumsInFlight, kProducts = 64;
  static Vector zero() { return _mm512_setzero_si512(); }
  static Vector left() { return _mm512_set1_epi8(1); }
  static Vector right() { return _mm512_set1_epi8(2); }
  static void add(Vector& sum, const Vector& x, const Vector& y) {
    __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
  }
};

}  // namespace

constexpr PeakLoop kPeakAvx512Float32 = vector_loop<Float32>("avx512", "float32");
constexpr PeakLoop kPeakAvx512VnniInt8 = vector_loop<Int8>("avx512vnni", "int8");

}  // namespace mobilebert
