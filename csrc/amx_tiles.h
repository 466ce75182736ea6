// What a thread sets before it works on tiles of AMX, and rows of bfloat16 numbers in them.
//
// Layouts, in tiles (tiles.h):
//   left matrices   [rows / 16][depth / 32], a tile is [16 rows][32 numbers]
//   right matrices  [columns / 32][depth / 32][2], a tile is [16 pairs of rows][16 columns][2]
//
// Included by the file that is compiled for AMX, after float32.h.
#pragma once

#include "amx_registers.h"

namespace mobilebert {
namespace {

// While a thread works in bfloat16, float32 numbers below 2**-126 are zeros, as the tiles have it;
// powers of two far below the top score would else take a hundred times as long.
thread_local unsigned caller_rounding;
thread_local int entered;  // once for each element type of a program

void enter_tiles() {
  if (entered++) return;
  configure_tiles();
  caller_rounding = _mm_getcsr();
  // Nearest, nothing trapped, flushed to zero: the same on every thread, whatever the caller has.
  _mm_setcsr(0x1f80 | 0x8040);
}

void leave_tiles() {
  if (--entered) return;
  _tile_release();
  _mm_setcsr(caller_rounding);
}

inline __m512i to_bfloat16(Vec low, Vec high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high.v, low.v));
}

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
      _mm512_store_si512(packed_row(packed, first + row, width, step),
                         to_bfloat16(Vec::load(from), Vec::load(from + 16)));
    }
}

}  // namespace
}  // namespace mobilebert
