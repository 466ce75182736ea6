// Gradients of weights on tiles: sums over rows of what rows have in two matrices.
//
// Both are given as packed rows, [rows / 16][width / 32] tiles (packed_tiles.h). Two rows of a matrix
// become pairs of numbers, one tile of a right matrix for 32 rows of 16 columns; transposed, that
// is a tile of a left matrix whose rows are the columns.
#pragma once

#include "packed_tiles.h"

namespace mobilebert {
namespace {

// Where the numbers of a pair of rows come from, for the first 16 columns; those of the others are
// 16 further.
inline __m512i pair_places() {
  return _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38,
                          6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
}

// Rows that are multiples of 32, of `width` numbers, to a right matrix [width / 32][rows / 32][2].
void pair_rows(const void* packed, int rows, int width, char* right) {
  const int panels = width / kPanel, steps = rows / kPanel;
  const __m512i low = pair_places(), high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  for (int panel = 0; panel < panels; ++panel)
    for (int step = 0; step < steps; ++step) {
      char* to = right + (static_cast<std::size_t>(panel) * steps + step) * 2 * kTileBytes;
      for (int half = 0; half < 2; ++half) {
        const char* from =
            static_cast<const char*>(packed) +
            (static_cast<std::size_t>(2 * step + half) * panels + panel) * kTileBytes;
        for (int row = 0; row < kRows16; row += 2, to += kRowBytes) {
          const __m512i even = _mm512_load_si512(from + row * kRowBytes);
          const __m512i odd = _mm512_load_si512(from + (row + 1) * kRowBytes);
          _mm512_store_si512(to, _mm512_permutex2var_epi16(even, low, odd));
          _mm512_store_si512(to + kTileBytes, _mm512_permutex2var_epi16(even, high, odd));
        }
      }
    }
}

inline void transpose_tile(const char* from, char* to) {
  __m512i rows[kRows16];
  for (int i = 0; i < kRows16; ++i) rows[i] = _mm512_load_si512(from + i * kRowBytes);
  transpose(rows);
  for (int i = 0; i < kRows16; ++i) _mm512_store_si512(to + i * kRowBytes, rows[i]);
}

// A right matrix [width / 32][steps][2] to the left one of the transposed, [width / 16][steps].
void transpose_right(const char* right, int steps, int width, char* left) {
  for (int panel = 0; panel < width / kPanel; ++panel)
    for (int step = 0; step < steps; ++step)
      for (int half = 0; half < 2; ++half) {
        const std::size_t row = 2 * static_cast<std::size_t>(panel) + half;
        transpose_tile(
            right + ((static_cast<std::size_t>(panel) * steps + step) * 2 + half) * kTileBytes,
            left + (row * steps + step) * kTileBytes);
      }
}

// Adds a product to sums that stand block by block of 32 x 32, [left / 32][right / 32][4 tiles].
void add_outer(const char* left, int left_width, const char* right, int right_width, int steps,
               float* sums) {
  const std::size_t row_of_tiles = steps * kTileBytes;
  const int beside = right_width / kPanel;
  for (int panel = 0; panel < beside; ++panel) {
    const char* b = right + panel * 2 * row_of_tiles;
    for (int block = 0; block < left_width / kPanel; ++block) {
      const char* a = left + block * 2 * row_of_tiles;
      add_block(a, row_of_tiles, b, steps,
                sums + (static_cast<std::size_t>(block) * beside + panel) * 4 * kSums);
    }
  }
}

// Weights [out][in], with a stride between rows, as a right matrix whose columns are `out`: what
// rows are multiplied with. `depth`: of the whole matrix, of which these are the rows from `first`.
void pack_columns(const float* weight, std::size_t stride, int out, int in, char* right, int depth,
                  int first) {
  for (int panel = 0; panel < out / kPanel; ++panel)
    for (int step = 0; step < in / kPanel; ++step) {
      const std::size_t steps = depth / kPanel;
      char* to = right + (panel * steps + first / kPanel + step) * 2 * kTileBytes;
      for (int half = 0; half < 2; ++half, to += kTileBytes) {
        __m512i rows[kRows16];
        const float* from = weight + (panel * kPanel + half * kRows16) * stride + step * kPanel;
        for (int i = 0; i < kRows16; ++i) rows[i] = row_of(from + i * stride);
        transpose(rows);
        for (int i = 0; i < kRows16; ++i) _mm512_store_si512(to + i * kRowBytes, rows[i]);
      }
    }
}

// The same as a right matrix whose columns are `in`: what gradients are multiplied with.
void pack_transposed(const float* weight, std::size_t stride, int out, int in, char* right,
                     int depth, int first) {
  const __m512i low = pair_places(), high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  for (int panel = 0; panel < in / kPanel; ++panel)
    for (int row = 0; row < out; row += 2) {
      const float* from = weight + row * stride + panel * kPanel;
      const __m512i even = row_of(from), odd = row_of(from + stride);
      const std::size_t steps = depth / kPanel, at = first + row;
      char* to =
          right + (panel * steps + at / kPanel) * 2 * kTileBytes + at % kPanel / 2 * kRowBytes;
      _mm512_store_si512(to, _mm512_permutex2var_epi16(even, low, odd));
      _mm512_store_si512(to + kTileBytes, _mm512_permutex2var_epi16(even, high, odd));
    }
}

}  // namespace
}  // namespace mobilebert
