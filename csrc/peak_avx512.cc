// Products and sums in float32 (AVX-512) and in int8 (VNNI).
#include <immintrin.h>

#include "peak.h"

namespace mobilebert {
namespace {

// Two units with a latency of 4 or 5 cycles need 10 sums in flight.
constexpr int kSums = 12, kLanes = 16, kBytesOfLane = 4;

void run_float32(std::uint64_t turns) {
  __m512 sums[kSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  const __m512 x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(0.25f);
  for (std::uint64_t turn = 0; turn < turns; ++turn)
    for (__m512& sum : sums) __asm__ volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
}

void run_int8(std::uint64_t turns) {
  __m512i sums[kSums];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  const __m512i x = _mm512_set1_epi8(1), y = _mm512_set1_epi8(2);
  for (std::uint64_t turn = 0; turn < turns; ++turn)
    for (__m512i& sum : sums) __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
}

}  // namespace

const PeakLoop kPeakAvx512Float32{"avx512", "float32", 2 * kLanes, kSums * kLanes, run_float32};
const PeakLoop kPeakAvx512VnniInt8{"avx512vnni", "int8", 2 * kLanes * kBytesOfLane,
                                   kSums * kLanes * kBytesOfLane, run_int8};

}  // namespace mobilebert
