// What becomes of the sums of a block of 32 x 32: bias, residual, activation, and where they go.
#pragma once

#include "packed_tiles.h"

namespace mobilebert {
namespace {

// Everything of a product is inlined into one loop, where what does not change is in registers.
#define MOBILEBERT_INLINE inline __attribute__((always_inline))

// Rows of an epilogue that are finished together; a tile has whole groups of them.
constexpr int kFinished = 4;

// A block whose sums are computed: in tiles, then in memory, then turned into results.
struct Pending {
  float* sums;  // 4 tiles: rows 0-15 left and right, rows 16-31 left and right
  int row, rows, column;
  int next;  // rows before this one are finished
};

// What an epilogue has to do, known when it is compiled.
enum class Writes { kExact, kPacked, kBoth };

template <bool kAdds, bool kRelu, Writes kWrites>
struct Epilogue {
  template <int kCount>
  static MOBILEBERT_INLINE void rows(const Product& p, const Pending& block) {
    const int i = block.next, row = block.row + i, column = block.column;
    const float* at = block.sums + (i / kRows16) * 2 * kSums + (i % kRows16) * kRows16;
    const Vec bias[2] = {Vec::load(p.bias + column), Vec::load(p.bias + column + 16)};
    Vec y[kCount][2];
#pragma GCC unroll 4
    for (int k = 0; k < kCount; ++k)
      for (int j = 0; j < 2; ++j) y[k][j] = Vec::load(at + k * kRows16 + j * kSums) + bias[j];
    if (kAdds) {
      const float* residual = p.residual + row * p.residual_stride + column;
      const Vec scale[2] = {Vec::load(p.scale + column), Vec::load(p.scale + column + 16)};
#pragma GCC unroll 4
      for (int k = 0; k < kCount; ++k, residual += p.residual_stride)
        for (int j = 0; j < 2; ++j) y[k][j] = fma(scale[j], Vec::load(residual + 16 * j), y[k][j]);
    }
    if (kRelu && kWrites != Writes::kPacked) {
#pragma GCC unroll 4
      for (int k = 0; k < kCount; ++k)
        for (int j = 0; j < 2; ++j) y[k][j] = max(y[k][j], Vec::zero());
    } else if (!kRelu && p.activation != Activation::kNone) {
      for (int k = 0; k < kCount; ++k)
        for (int j = 0; j < 2; ++j) y[k][j] = activate(y[k][j], p.activation);
    }
    if (kWrites != Writes::kPacked) {
      float* to = p.exact + row * p.exact_stride + column;
#pragma GCC unroll 4
      for (int k = 0; k < kCount; ++k, to += p.exact_stride)
        for (int j = 0; j < 2; ++j) Vec::store(to + 16 * j, y[k][j]);
    }
    if (kWrites != Writes::kExact) {
      char* to = packed_row(p.packed, row, p.packed_width, column / kPanel);
#pragma GCC unroll 4
      for (int k = 0; k < kCount; ++k) {
        __m512i bits = to_bfloat16(y[k][0], y[k][1]);
        // Rounding keeps the sign, and negative floats are negative integers: one maximum for both.
        if (kRelu && kWrites == Writes::kPacked)
          bits = _mm512_max_epi16(bits, _mm512_setzero_si512());
        _mm512_store_si512(to + k * kRowBytes, bits);
      }
    }
  }

  static MOBILEBERT_INLINE void group(const Product& p, Pending& block) {
    if (block.next + kFinished > block.rows) return;
    rows<kFinished>(p, block);
    block.next += kFinished;
  }

  static MOBILEBERT_INLINE void rest(const Product& p, Pending& block) {
    while (block.next + kFinished <= block.rows) group(p, block);
    for (; block.next < block.rows; ++block.next) rows<1>(p, block);
  }
};

// `Panels<Finish>::run(p)`, with the epilogue that the product asks for.
template <template <class> class Panels, bool kAdds, bool kRelu>
void multiply_to(const Product& p) {
  if (!p.packed)
    Panels<Epilogue<kAdds, kRelu, Writes::kExact>>::run(p);
  else if (!p.exact)
    Panels<Epilogue<kAdds, kRelu, Writes::kPacked>>::run(p);
  else
    Panels<Epilogue<kAdds, kRelu, Writes::kBoth>>::run(p);
}

template <template <class> class Panels>
void multiply_with(const Product& p) {
  const bool relu = p.activation == Activation::kRelu;
  if (p.residual)
    relu ? multiply_to<Panels, true, true>(p) : multiply_to<Panels, true, false>(p);
  else
    relu ? multiply_to<Panels, false, true>(p) : multiply_to<Panels, false, false>(p);
}

}  // namespace
}  // namespace mobilebert
