// Matrices of bfloat16 numbers in tiles (tiles.h).
//
//   left matrices   [rows / 16][depth / 32], a tile is [16 rows][32 numbers]
//   right matrices  [columns / 32][depth / 32][2], a tile is [16 pairs of rows][16 columns][2]
//
// Included by files that are compiled for AVX512-BF16, after float32.h.
#pragma once

#include "tiles.h"
#include "vec_bfloat16.h"

namespace mobilebert {
namespace {

// Where row `row` of a left matrix has its numbers 32 * step, ...
inline char* packed_row(void* packed, int row, int width, int step) {
  const std::size_t tile = static_cast<std::size_t>(row / kRows16) * (width / kPanel) + step;
  return static_cast<char*>(packed) + tile * kTileBytes + (row % kRows16) * kRowBytes;
}

void pack_rows_bfloat16(const float* x, std::size_t stride, int rows, int width, void* packed,
                        int first) {
  for (int row = 0; row < rows; ++row)
    for (int step = 0; step < width / kPanel; ++step) {
      const float* from = x + row * stride + step * kPanel;
      _mm512_store_si512(packed_row(packed, first + row, width, step), row_of(from));
    }
}

// Transposes 16 rows of 16 numbers of 32 bits.
inline void transpose(__m512i rows[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {
      rows[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
      rows[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
    }
  for (int i = 0; i < 16; i += 8)
    for (int j = 0; j < 4; ++j) {
      t[i + j] = _mm512_shuffle_i32x4(rows[i + j], rows[i + j + 4], 0x88);
      t[i + j + 4] = _mm512_shuffle_i32x4(rows[i + j], rows[i + j + 4], 0xdd);
    }
  for (int j = 0; j < 8; ++j) {
    rows[j] = _mm512_shuffle_i32x4(t[j], t[j + 8], 0x88);
    rows[j + 8] = _mm512_shuffle_i32x4(t[j], t[j + 8], 0xdd);
  }
}

// Rows of a block of a product, and of queries that are worked on at a time.
constexpr int kBlockRows = 2 * kRows16;

}  // namespace
}  // namespace mobilebert
