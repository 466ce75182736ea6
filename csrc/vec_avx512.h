// The vector of AVX-512, for the files that are compiled for it.
#pragma once

#include <immintrin.h>

namespace mobilebert {
namespace {

struct Vec {
  // 14 x 2 sums, 2 vectors of the right matrix and 1 of the left are 31 of 32 registers.
  static constexpr int kLanes = 16, kColumns = 2, kRows = 14;
  __m512 v;
  static Vec zero() { return {_mm512_setzero_ps()}; }
  static Vec set(float x) { return {_mm512_set1_ps(x)}; }
  static Vec load(const float* x) { return {_mm512_loadu_ps(x)}; }
  static void store(float* x, Vec y) { _mm512_storeu_ps(x, y.v); }
};

inline Vec operator+(Vec x, Vec y) { return {_mm512_add_ps(x.v, y.v)}; }
inline Vec operator-(Vec x, Vec y) { return {_mm512_sub_ps(x.v, y.v)}; }
inline Vec operator*(Vec x, Vec y) { return {_mm512_mul_ps(x.v, y.v)}; }
inline Vec operator/(Vec x, Vec y) { return {_mm512_div_ps(x.v, y.v)}; }
inline Vec fma(Vec x, Vec y, Vec z) { return {_mm512_fmadd_ps(x.v, y.v, z.v)}; }
inline Vec max(Vec x, Vec y) { return {_mm512_max_ps(x.v, y.v)}; }
inline Vec min(Vec x, Vec y) { return {_mm512_min_ps(x.v, y.v)}; }
inline Vec abs(Vec x) { return {_mm512_abs_ps(x.v)}; }
inline Vec round(Vec x) { return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT)}; }
inline Vec scale_by_power(Vec x, Vec n) { return {_mm512_scalef_ps(x.v, n.v)}; }
inline Vec select_less(Vec x, Vec y, Vec then, Vec otherwise) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.v, y.v, _CMP_LT_OQ), otherwise.v, then.v)};
}
inline Vec select_negative(Vec x, Vec then, Vec otherwise) {
  return select_less(x, Vec::zero(), then, otherwise);
}
inline float largest(Vec x) { return _mm512_reduce_max_ps(x.v); }
inline float sum(Vec x) { return _mm512_reduce_add_ps(x.v); }

}  // namespace
}  // namespace mobilebert
