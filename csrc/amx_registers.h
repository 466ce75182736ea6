// The eight tile registers of AMX: how they are configured, and a block of a product in them.
//
// Tiles 0 to 3 are the sums of a block of 32 x 32: its rows 0-15 left and right, rows 16-31 left
// and right. Tiles 4 and 5 are of the left matrix, 6 and 7 of the right one.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "tiles.h"

namespace mobilebert {
namespace {

struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1, start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes_of_row[16] = {};
  std::uint8_t rows[16] = {};
};

inline void configure_tiles() {
  TileConfiguration configuration;
  for (int tile = 0; tile < 8; ++tile) {
    configuration.bytes_of_row[tile] = kRowBytes;
    configuration.rows[tile] = kRows16;
  }
  // GCC 12 believes that only the first 8 bytes are read, and may leave out the stores to the rest.
  __asm__ volatile("" : : "m"(configuration) : "memory");
  _tile_loadconfig(&configuration);
}

// The products of a step, for the rows 0-15 of a block and for those behind. Numbers of tiles are
// part of the instructions: they cannot be arguments.
struct Bfloat16Products {
  static inline void upper() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
  }
  static inline void lower() {
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
};

// Of u8 and s8.
struct ByteProducts {
  static inline void upper() {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
  }
  static inline void lower() {
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
};

// Sums a block over the tiles of its depth. With `kTall` false only the first 16 rows; else the
// others' tiles are `a_tall` bytes further.
template <class Products, bool kTall>
inline void sum_block(const char* a, std::size_t a_tall, const char* b, int steps) {
  _tile_zero(0);
  _tile_zero(1);
  if (kTall) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int step = 0; step < steps; ++step) {
    const char* left = a + step * kTileBytes;
    const char* right = b + step * 2 * kTileBytes;
    _tile_loadd(4, left, kRowBytes);
    _tile_loadd(6, right, kRowBytes);
    _tile_loadd(7, right + kTileBytes, kRowBytes);
    Products::upper();
    if (kTall) {
      _tile_loadd(5, left + a_tall, kRowBytes);
      Products::lower();
    }
  }
}

// The sums of a block to 4 tiles in memory; with `kTall` false to the first 2.
template <bool kTall, class Number>
inline void store_block(Number* sums) {
  static_assert(sizeof(Number) == 4, "sums have 32 bits");
  _tile_stored(0, sums, kRowBytes);
  _tile_stored(1, sums + kSums, kRowBytes);
  if (kTall) {
    _tile_stored(2, sums + 2 * kSums, kRowBytes);
    _tile_stored(3, sums + 3 * kSums, kRowBytes);
  }
}

}  // namespace
}  // namespace mobilebert
