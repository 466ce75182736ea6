// Tiles of AMX: how they are configured, and rows of bfloat16 numbers in them.
//
// Layouts, in tiles of 16 rows of 64 bytes (1 KiB, contiguous):
//   left matrices   [rows / 16][depth / 32], a tile is [16 rows][32 numbers]
//   right matrices  [columns / 32][depth / 32][2], a tile is [16 pairs of rows][16 columns][2]
//
// Included by the file that is compiled for AMX, after float32.h.
#pragma once

#include <cstring>

namespace mobilebert {
namespace {

constexpr int kRows16 = 16;  // rows of a tile
constexpr std::size_t kTileBytes = 1024;
constexpr int kRowBytes = 64;
constexpr int kSums = kRows16 * kRows16;  // numbers of a tile of sums

struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1, start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes_of_row[16] = {};
  std::uint8_t rows[16] = {};
};

// While a thread works in bfloat16, float32 numbers below 2**-126 are zeros, as the tiles have it;
// powers of two far below the top score would else take a hundred times as long.
thread_local unsigned caller_rounding;
thread_local int entered;  // once for each element type of a program

void enter_tiles() {
  if (entered++) return;
  TileConfiguration configuration;
  for (int tile = 0; tile < 8; ++tile) {
    configuration.bytes_of_row[tile] = kRowBytes;
    configuration.rows[tile] = kRows16;
  }
  // GCC 12 believes that only the first 8 bytes are read, and may leave out the stores to the rest.
  __asm__ volatile("" : : "m"(configuration) : "memory");
  _tile_loadconfig(&configuration);
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
