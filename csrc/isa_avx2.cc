// AVX2 with FMA.
#include <immintrin.h>

#include "kernels.h"

namespace mobilebert {
namespace {

struct Vec {
  // 6 x 2 sums, 2 vectors of the right matrix and 1 of the left are 15 of 16 registers.
  static constexpr int kLanes = 8, kColumns = 2, kRows = 6;
  __m256 v;
  static Vec zero() { return {_mm256_setzero_ps()}; }
  static Vec set(float x) { return {_mm256_set1_ps(x)}; }
  static Vec load(const float* x) { return {_mm256_loadu_ps(x)}; }
  static void store(float* x, Vec y) { _mm256_storeu_ps(x, y.v); }
};

inline Vec operator+(Vec x, Vec y) { return {_mm256_add_ps(x.v, y.v)}; }
inline Vec operator-(Vec x, Vec y) { return {_mm256_sub_ps(x.v, y.v)}; }
inline Vec operator*(Vec x, Vec y) { return {_mm256_mul_ps(x.v, y.v)}; }
inline Vec operator/(Vec x, Vec y) { return {_mm256_div_ps(x.v, y.v)}; }
inline Vec fma(Vec x, Vec y, Vec z) { return {_mm256_fmadd_ps(x.v, y.v, z.v)}; }
inline Vec max(Vec x, Vec y) { return {_mm256_max_ps(x.v, y.v)}; }
inline Vec min(Vec x, Vec y) { return {_mm256_min_ps(x.v, y.v)}; }
inline Vec abs(Vec x) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), x.v)}; }
inline Vec round(Vec x) {
  return {_mm256_round_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Vec scale_by_power(Vec x, Vec n) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n.v), 23);
  return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x.v), exponent))};
}
inline Vec select_less(Vec x, Vec y, Vec then, Vec otherwise) {
  return {_mm256_blendv_ps(otherwise.v, then.v, _mm256_cmp_ps(x.v, y.v, _CMP_LT_OQ))};
}
inline Vec select_negative(Vec x, Vec then, Vec otherwise) {
  return select_less(x, Vec::zero(), then, otherwise);
}
inline float largest(Vec x) {
  __m128 y = _mm_max_ps(_mm256_castps256_ps128(x.v), _mm256_extractf128_ps(x.v, 1));
  y = _mm_max_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_max_ss(y, _mm_shuffle_ps(y, y, 1)));
}
inline float sum(Vec x) {
  __m128 y = _mm_add_ps(_mm256_castps256_ps128(x.v), _mm256_extractf128_ps(x.v, 1));
  y = _mm_add_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_add_ss(y, _mm_shuffle_ps(y, y, 1)));
}

}  // namespace
}  // namespace mobilebert

#include "float32.h"

namespace mobilebert {
const Kernels kAvx2{"avx2", &kFloat32, nullptr, normalize, apply_tanh};
}
