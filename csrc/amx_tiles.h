// What a thread sets before it works on tiles of AMX, and blocks of products in memory.
//
// Included by the file that is compiled for AMX, after float32.h.
#pragma once

#include "amx_registers.h"
#include "packed_tiles.h"
#include "rounding.h"

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

// A block of 32 x 32 as 4 tiles of sums (amx_registers.h); with `kTall` false its first 16 rows.
template <bool kTall>
inline void multiply_block(const char* a, std::size_t a_tall, const char* b, int steps,
                           float* sums) {
  sum_block<Bfloat16Products, kTall>(a, a_tall, b, steps);
  store_block<kTall>(sums);
}

// Adds to the sums of a block.
inline void add_block(const char* a, std::size_t a_tall, const char* b, int steps, float* sums) {
  _tile_loadd(0, sums, kRowBytes);
  _tile_loadd(1, sums + kSums, kRowBytes);
  _tile_loadd(2, sums + 2 * kSums, kRowBytes);
  _tile_loadd(3, sums + 3 * kSums, kRowBytes);
  for (int step = 0; step < steps; ++step) {
    _tile_loadd(4, a + step * kTileBytes, kRowBytes);
    _tile_loadd(6, b + step * 2 * kTileBytes, kRowBytes);
    _tile_loadd(7, b + (step * 2 + 1) * kTileBytes, kRowBytes);
    Bfloat16Products::upper();
    _tile_loadd(5, a + a_tall + step * kTileBytes, kRowBytes);
    Bfloat16Products::lower();
  }
  store_block<true>(sums);
}

}  // namespace
}  // namespace mobilebert
