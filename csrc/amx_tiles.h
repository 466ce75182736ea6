// What a thread sets before it works on tiles of AMX, and rows of bfloat16 numbers in them.
//
// Layouts, in tiles (tiles.h):
//   left matrices   [rows / 16][depth / 32], a tile is [16 rows][32 numbers]
//   right matrices  [columns / 32][depth / 32][2], a tile is [16 pairs of rows][16 columns][2]
//
// Included by the file that is compiled for AMX, after float32.h.
#pragma once

#include "amx_registers.h"
#include "rounding.h"
#include "vec_bfloat16.h"

namespace mobilebert {
namespace {

// Powers of two far below the top score would take a hundred times as long with small numbers.
void enter_tiles() {
  if (!entered_rounding) configure_tiles();
  enter_rounding();
}

void leave_tiles() {
  leave_rounding();
  if (!entered_rounding) _tile_release();
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
      _mm512_store_si512(packed_row(packed, first + row, width, step), row_of(from));
    }
}

}  // namespace
}  // namespace mobilebert
