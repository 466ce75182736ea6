// The vector of NEON (Advanced SIMD of AArch64), for the files that are compiled for it.
#pragma once

#include <arm_neon.h>

namespace mobilebert {
namespace {

struct Vec {
  // 5 x 4 sums, 4 vectors of the right matrix and 5 of the left are 29 of 32 registers; 6 rows
  // would fit, but compilers load all of the left together.
  static constexpr int kLanes = 4, kColumns = 4, kRows = 5;
  float32x4_t v;
  static Vec zero() { return set(0.0f); }
  // A load that broadcasts (LD1R) occupies a pipe of the arithmetic, and products take one element
  // of a register for nothing: the empty statement keeps compilers from the former.
  static Vec set(float x) {
    __asm__("" : "+w"(x));
    return {vdupq_n_f32(x)};
  }
  static Vec load(const float* x) { return {vld1q_f32(x)}; }
  static void store(float* x, Vec y) { vst1q_f32(x, y.v); }
};

inline Vec operator+(Vec x, Vec y) { return {vaddq_f32(x.v, y.v)}; }
inline Vec operator-(Vec x, Vec y) { return {vsubq_f32(x.v, y.v)}; }
inline Vec operator*(Vec x, Vec y) { return {vmulq_f32(x.v, y.v)}; }
inline Vec operator/(Vec x, Vec y) { return {vdivq_f32(x.v, y.v)}; }
inline Vec fma(Vec x, Vec y, Vec z) { return {vfmaq_f32(z.v, x.v, y.v)}; }
inline Vec max(Vec x, Vec y) { return {vmaxq_f32(x.v, y.v)}; }
inline Vec min(Vec x, Vec y) { return {vminq_f32(x.v, y.v)}; }
inline Vec abs(Vec x) { return {vabsq_f32(x.v)}; }
inline Vec round(Vec x) { return {vrndnq_f32(x.v)}; }
inline Vec scale_by_power(Vec x, Vec n) {
  const int32x4_t exponent = vshlq_n_s32(vcvtq_s32_f32(n.v), 23);
  return {vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x.v), exponent))};
}
inline Vec select_less(Vec x, Vec y, Vec then, Vec otherwise) {
  return {vbslq_f32(vcltq_f32(x.v, y.v), then.v, otherwise.v)};
}
inline Vec select_negative(Vec x, Vec then, Vec otherwise) {
  return select_less(x, Vec::zero(), then, otherwise);
}
inline float largest(Vec x) { return vmaxvq_f32(x.v); }
inline float sum(Vec x) { return vaddvq_f32(x.v); }

}  // namespace
}  // namespace mobilebert
