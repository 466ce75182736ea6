// Plain C++, for every processor.
#include <cstring>

#include "kernels.h"

namespace mobilebert {
namespace {

struct Vec {
  // 8 lanes are two vectors of the baseline of x86-64 and of Arm; 2 x 2 such sums fit.
  static constexpr int kLanes = 8, kColumns = 1, kRows = 4;
  float v[kLanes];
  static Vec zero() { return set(0.0f); }
  static Vec set(float x) {
    Vec y;
    for (float& lane : y.v) lane = x;
    return y;
  }
  static Vec load(const float* x) {
    Vec y;
    std::memcpy(y.v, x, sizeof y.v);
    return y;
  }
  static void store(float* x, const Vec& y) { std::memcpy(x, y.v, sizeof y.v); }
};

template <class F>
inline Vec each(F f) {
  Vec y;
  for (int i = 0; i < Vec::kLanes; ++i) y.v[i] = f(i);
  return y;
}

inline Vec operator+(const Vec& x, const Vec& y) {
  return each([&](int i) { return x.v[i] + y.v[i]; });
}
inline Vec operator-(const Vec& x, const Vec& y) {
  return each([&](int i) { return x.v[i] - y.v[i]; });
}
inline Vec operator*(const Vec& x, const Vec& y) {
  return each([&](int i) { return x.v[i] * y.v[i]; });
}
inline Vec operator/(const Vec& x, const Vec& y) {
  return each([&](int i) { return x.v[i] / y.v[i]; });
}
inline Vec fma(const Vec& x, const Vec& y, const Vec& z) {
  return each([&](int i) { return x.v[i] * y.v[i] + z.v[i]; });
}
inline Vec max(const Vec& x, const Vec& y) {
  return each([&](int i) { return x.v[i] > y.v[i] ? x.v[i] : y.v[i]; });
}
inline Vec min(const Vec& x, const Vec& y) {
  return each([&](int i) { return x.v[i] < y.v[i] ? x.v[i] : y.v[i]; });
}
inline Vec abs(const Vec& x) {
  return each([&](int i) { return __builtin_fabsf(x.v[i]); });
}
inline Vec round(const Vec& x) {
  // Adding and taking away 1.5 * 2**23 leaves the nearest integer, for |x| < 2**22.
  return each([&](int i) {
    const volatile float shifted = x.v[i] + 12582912.0f;
    return shifted - 12582912.0f;
  });
}
inline Vec scale_by_power(const Vec& x, const Vec& n) {
  return each([&](int i) {
    // Only where sums overflowed may n be too large, or no number, for an integer to hold.
    const std::int32_t power = n.v[i] < 127.0f ? static_cast<std::int32_t>(n.v[i]) : 127;
    std::uint32_t bits;
    std::memcpy(&bits, &x.v[i], sizeof bits);
    bits += static_cast<std::uint32_t>(power) << 23;
    float y;
    std::memcpy(&y, &bits, sizeof y);
    return y;
  });
}
inline Vec select_less(const Vec& x, const Vec& y, const Vec& then, const Vec& otherwise) {
  return each([&](int i) { return x.v[i] < y.v[i] ? then.v[i] : otherwise.v[i]; });
}
inline Vec select_negative(const Vec& x, const Vec& then, const Vec& otherwise) {
  return select_less(x, Vec::zero(), then, otherwise);
}
inline float largest(const Vec& x) {
  float y = x.v[0];
  for (float lane : x.v) y = lane > y ? lane : y;
  return y;
}
inline float sum(const Vec& x) {
  float y = 0;
  for (float lane : x.v) y += lane;
  return y;
}

}  // namespace
}  // namespace mobilebert

#include "float32.h"

namespace mobilebert {
const Kernels kGeneric{"generic", &kFloat32, nullptr, normalize, apply_tanh};
}
