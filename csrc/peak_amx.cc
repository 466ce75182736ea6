// Tile products that stay in tile registers, bfloat16 and int8.
#include <immintrin.h>

#include <cstdint>

#include "peak.h"

namespace mobilebert {
namespace {

// 16 x 16 sums over 64 bytes of depth: 32 numbers in bfloat16, 64 in int8.
constexpr int kSide = 16, kRowBytes = 64, kTiles = 4;
constexpr std::uint64_t kBfloat16Products = kSide * kSide * (kRowBytes / 2);
constexpr std::uint64_t kInt8Products = kSide * kSide * kRowBytes;
constexpr int kCyclesOfProduct = 16;

struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1, start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes_of_row[16] = {};
  std::uint8_t rows[16] = {};
};

void enter() {
  TileConfiguration configuration;
  for (int tile = 0; tile < 8; ++tile) {
    configuration.bytes_of_row[tile] = kRowBytes;
    configuration.rows[tile] = kSide;
  }
  // GCC 12 believes that only the first 8 bytes are read, and may leave out the stores to the rest.
  __asm__ volatile("" : : "m"(configuration) : "memory");
  _tile_loadconfig(&configuration);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
}

void run_bfloat16(std::uint64_t turns) {
  enter();
  for (std::uint64_t turn = 0; turn < turns; ++turn) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}

void run_int8(std::uint64_t turns) {
  enter();
  for (std::uint64_t turn = 0; turn < turns; ++turn) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
}

}  // namespace

const PeakLoop kPeakAmxBfloat16{"amx", "bfloat16", kBfloat16Products / kCyclesOfProduct,
                                kTiles * kBfloat16Products, run_bfloat16};
const PeakLoop kPeakAmxInt8{"amx", "int8", kInt8Products / kCyclesOfProduct,
                            kTiles * kInt8Products, run_int8};

}  // namespace mobilebert
