// Vectors of float32 to bfloat16, for the files that are compiled for AVX512-BF16.
#pragma once

#include "vec_avx512.h"

namespace mobilebert {
namespace {

inline __m512i to_bfloat16(Vec low, Vec high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high.v, low.v));
}

// 32 numbers.
inline __m512i row_of(const float* x) { return to_bfloat16(Vec::load(x), Vec::load(x + 16)); }

// 2**x for x <= 0, for a result that is rounded to bfloat16 (by at most 2e-3): a polynomial for the
// fraction, fitted to the least relative error on [0, 1), which is 8e-5; `scalef` takes the floor.
inline Vec power_of_two_bfloat16(Vec x) {
  const Vec r = {_mm512_reduce_ps(x.v, 1)};  // x - floor(x)
  Vec p = Vec::set(7.8024521e-2f);
  p = fma(p, r, Vec::set(2.2606716e-1f));
  p = fma(p, r, Vec::set(6.9583356e-1f));
  p = fma(p, r, Vec::set(9.9992520e-1f));
  return scale_by_power(p, x);
}

}  // namespace
}  // namespace mobilebert
