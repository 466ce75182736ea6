// Exponentials and activations in float32, over the `Vec` of float32.h, which includes this.

namespace mobilebert {
namespace {

// 2**x for x <= 0. Cody-Waite: x = n + r with |r| <= 1/2, 2**r by its Taylor polynomial, whose next
// term bounds the relative error by ln(2)**7 / 7! / 2**7 = 1.2e-7.
inline Vec power_of_two(Vec x) {
  x = max(x, Vec::set(-126.0f));  // below that float32 has no normal numbers
  const Vec n = round(x);
  const Vec r = x - n;
  Vec p = Vec::set(1.5403530e-4f);
  p = fma(p, r, Vec::set(1.3333558e-3f));
  p = fma(p, r, Vec::set(9.6181291e-3f));
  p = fma(p, r, Vec::set(5.5504109e-2f));
  p = fma(p, r, Vec::set(2.4022651e-1f));
  p = fma(p, r, Vec::set(6.9314718e-1f));
  p = fma(p, r, Vec::set(1.0f));
  return scale_by_power(p, n);
}

constexpr float kLog2E = 1.44269504f;

// 1 / (1 + e**-x), by the negative half so that the exponential cannot overflow.
inline Vec logistic(Vec x) {
  const Vec e = power_of_two(Vec::set(-kLog2E) * abs(x));
  const Vec small = e / (Vec::set(1.0f) + e);
  return select_negative(x, small, Vec::set(1.0f) - small);
}

inline Vec hyperbolic_tangent(Vec x) {
  // Near 0 the quotient cancels: there x - x**3 / 3 + 2 x**5 / 15, error below 1e-8 for |x| < 0.08.
  const Vec e = power_of_two(Vec::set(-2 * kLog2E) * abs(x));
  const Vec t = (Vec::set(1.0f) - e) / (Vec::set(1.0f) + e);
  const Vec s = x * x;
  const Vec series =
      x * fma(s, fma(s, Vec::set(2.0f / 15), Vec::set(-1.0f / 3)), Vec::set(1.0f));
  // In this order what is no number gives the series, which is none either.
  return select_less(Vec::set(0.08f), abs(x), select_negative(x, Vec::zero() - t, t), series);
}

// Abramowitz & Stegun 7.1.26: absolute error below 1.5e-7.
inline Vec error_function(Vec x) {
  const Vec a = abs(x);
  const Vec t = Vec::set(1.0f) / fma(a, Vec::set(0.3275911f), Vec::set(1.0f));
  Vec p = Vec::set(1.061405429f);
  p = fma(p, t, Vec::set(-1.453152027f));
  p = fma(p, t, Vec::set(1.421413741f));
  p = fma(p, t, Vec::set(-0.284496736f));
  p = fma(p, t, Vec::set(0.254829592f));
  const Vec e = power_of_two(Vec::set(-kLog2E) * a * a);
  const Vec y = Vec::set(1.0f) - p * t * e;
  return select_negative(x, Vec::zero() - y, y);
}

inline Vec activate(Vec x, Activation kind) {
  switch (kind) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return max(x, Vec::zero());
    case Activation::kRelu6:
      return min(max(x, Vec::zero()), Vec::set(6.0f));
    case Activation::kGelu:
      return Vec::set(0.5f) * x *
             (Vec::set(1.0f) + error_function(x * Vec::set(0.70710678f)));
    case Activation::kGeluNew: {
      const Vec inner = x * fma(x * x, Vec::set(0.044715f), Vec::set(1.0f));
      // 0.5 (1 + tanh z) is the logistic function of 2 z; 1.5957691 = 2 sqrt(2 / pi).
      return x * logistic(Vec::set(1.5957691f) * inner);
    }
    case Activation::kSilu:
      return x * logistic(x);
  }
  return x;
}

}  // namespace
}  // namespace mobilebert
