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

}  // namespace
}  // namespace mobilebert
