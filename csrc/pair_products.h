// Products of tiles in vectors: VDPBF16PS multiplies pairs of numbers.
//
// For processors with AVX512-BF16 and no AMX, over the same layouts: what is written over blocks of
// 32 x 32 and over `multiply_bfloat16` serves both.
#pragma once

#include "rounding.h"
#include "tile_epilogue.h"

namespace mobilebert {
namespace {

void enter_tiles() { enter_rounding(); }
void leave_tiles() { leave_rounding(); }

constexpr int kRows8 = 8;  // 8 x 2 sums are more than the latency of the instruction asks for

// 8 rows of a tile by a panel, to the same rows of two tiles of sums.
template <bool kAdds>
inline void multiply_rows(const char* a, const char* b, int steps, float* sums) {
  __m512 sum[kRows8][2];
#pragma GCC unroll 8
  for (int i = 0; i < kRows8; ++i)
    for (int j = 0; j < 2; ++j)
      sum[i][j] =
          kAdds ? _mm512_load_ps(sums + j * kSums + i * kRows16) : _mm512_setzero_ps();
  for (int step = 0; step < steps; ++step, a += kTileBytes, b += 2 * kTileBytes)
    for (int pair = 0; pair < kRows16; ++pair) {
      const char* at = b + pair * kRowBytes;
      const auto left_half = reinterpret_cast<__m512bh>(_mm512_load_si512(at));
      const auto right_half = reinterpret_cast<__m512bh>(_mm512_load_si512(at + kTileBytes));
#pragma GCC unroll 8
      for (int i = 0; i < kRows8; ++i) {
        int numbers;
        __builtin_memcpy(&numbers, a + i * kRowBytes + pair * sizeof numbers, sizeof numbers);
        const auto left = reinterpret_cast<__m512bh>(_mm512_set1_epi32(numbers));
        sum[i][0] = _mm512_dpbf16_ps(sum[i][0], left, left_half);
        sum[i][1] = _mm512_dpbf16_ps(sum[i][1], left, right_half);
      }
    }
#pragma GCC unroll 8
  for (int i = 0; i < kRows8; ++i)
    for (int j = 0; j < 2; ++j) _mm512_store_ps(sums + j * kSums + i * kRows16, sum[i][j]);
}

template <bool kAdds, bool kTall>
inline void sum_rows(const char* a, std::size_t a_tall, const char* b, int steps, float* sums) {
  for (int tile = 0; tile < (kTall ? 2 : 1); ++tile, a += a_tall, sums += 2 * kSums)
    for (int row = 0; row < kRows16; row += kRows8)
      multiply_rows<kAdds>(a + row * kRowBytes, b, steps, sums + row * kRows16);
}

// A block of 32 x 32 as 4 tiles of sums: rows 0-15 left and right, rows 16-31 left and right; with
// `kTall` false its first 16 rows.
template <bool kTall>
inline void multiply_block(const char* a, std::size_t a_tall, const char* b, int steps,
                           float* sums) {
  sum_rows<false, kTall>(a, a_tall, b, steps, sums);
}

// Adds to the sums of a block.
inline void add_block(const char* a, std::size_t a_tall, const char* b, int steps, float* sums) {
  sum_rows<true, true>(a, a_tall, b, steps, sums);
}

template <class Finish>
struct PairPanels {
  static void run(const Product& p) {
    alignas(64) float sums[4 * kSums];
    const int steps = p.depth / kPanel;
    const std::size_t row_of_tiles = steps * kTileBytes;
    for (int panel = p.first; panel < p.last; ++panel) {
      const char* b = static_cast<const char*>(p.b) + panel * 2 * row_of_tiles;
      for (int row = 0; row < p.rows; row += kBlockRows) {
        const char* a = static_cast<const char*>(p.a) + row / kRows16 * row_of_tiles;
        const int rows = p.rows - row < kBlockRows ? p.rows - row : kBlockRows;
        if (rows > kRows16)
          multiply_block<true>(a, row_of_tiles, b, steps, sums);
        else
          multiply_block<false>(a, row_of_tiles, b, steps, sums);
        Pending block{sums, row, rows, panel * kPanel, 0};
        Finish::rest(p, block);
      }
    }
  }
};

void multiply_bfloat16(const Product& p) { multiply_with<PairPanels>(p); }

}  // namespace
}  // namespace mobilebert
