// Products in bfloat16 on tiles.
//
// A 32 x 32 block of a product takes 2 + 2 tiles a step of 32 in depth and 4 tiles of sums. The
// tile unit is busy for 16 cycles a product of tiles; all else has to happen beside it. So the sums
// of a block are stored in the first step of the next one, just before their tile is used again,
// and its epilogue (bias, residual, activation, packing) is spread over the later steps, some rows
// after a product of tiles: measured, three quarters of the time of one after the other.
#pragma once

#include "amx_tiles.h"
#include "tile_epilogue.h"

namespace mobilebert {
namespace {

// Weights that are wanted next, fetched into the second cache evenly over a product: reading what
// is only in memory takes as long as computing with it.
class Ahead {
 public:
  // There are two looks in each step of a block.
  Ahead(const Product& p, int steps)
      : at_(static_cast<const char*>(p.next)), end_(at_ + p.next_bytes) {
    const std::size_t blocks = (p.rows + kBlockRows - 1) / kBlockRows;
    const std::size_t looks = 2 * blocks * (p.last - p.first) * steps;
    stride_ = looks ? (p.next_bytes / looks / kRowBytes + 1) * kRowBytes : 0;
  }
  MOBILEBERT_INLINE void look() {
    const char* stop = at_ + stride_ < end_ ? at_ + stride_ : end_;
    for (; at_ < stop; at_ += kRowBytes) _mm_prefetch(at_, _MM_HINT_T1);
  }

 private:
  const char* at_;
  const char* end_;
  std::size_t stride_;
};

MOBILEBERT_INLINE void store_sums(const Pending& block) {
  _tile_stored(0, block.sums, kRowBytes);
  _tile_stored(1, block.sums + kSums, kRowBytes);
  _tile_stored(2, block.sums + 2 * kSums, kRowBytes);
  _tile_stored(3, block.sums + 3 * kSums, kRowBytes);
}

// One block, while the one before is stored and finished. `kTall`: more than 16 rows. `kOften`: a
// group of the epilogue after each product of tiles, or else after each step.
template <class Finish, bool kTall, bool kOften>
MOBILEBERT_INLINE void block_of(const Product& p, const char* a, std::size_t a_tall, const char* b,
                                int steps, Pending& before, Ahead& ahead) {
  float* sums = before.sums;
  _tile_loadd(4, a, kRowBytes);
  _tile_loadd(6, b, kRowBytes);
  _tile_stored(0, sums, kRowBytes);
  _tile_zero(0);
  _tile_dpbf16ps(0, 4, 6);
  ahead.look();
  if (kTall) _tile_loadd(5, a + a_tall, kRowBytes);
  _tile_stored(2, sums + 2 * kSums, kRowBytes);
  if (kTall) {
    _tile_zero(2);
    _tile_dpbf16ps(2, 5, 6);
  }
  _tile_loadd(7, b + kTileBytes, kRowBytes);
  _tile_stored(1, sums + kSums, kRowBytes);
  _tile_zero(1);
  _tile_dpbf16ps(1, 4, 7);
  ahead.look();
  _tile_stored(3, sums + 3 * kSums, kRowBytes);
  if (kTall) {
    _tile_zero(3);
    _tile_dpbf16ps(3, 5, 7);
  }
  for (int step = 1; step < steps; ++step) {
    const char* left = a + step * kTileBytes;
    const char* right = b + step * 2 * kTileBytes;
    _tile_loadd(4, left, kRowBytes);
    _tile_loadd(6, right, kRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    ahead.look();
    if (kOften) Finish::group(p, before);
    if (kTall) {
      _tile_loadd(5, left + a_tall, kRowBytes);
      _tile_dpbf16ps(2, 5, 6);
      if (kOften) Finish::group(p, before);
    }
    _tile_loadd(7, right + kTileBytes, kRowBytes);
    _tile_dpbf16ps(1, 4, 7);
    ahead.look();
    Finish::group(p, before);
    if (kTall) _tile_dpbf16ps(3, 5, 7);
  }
  Finish::rest(p, before);
}

template <class Finish, bool kOften>
void multiply_panels(const Product& given) {
  const Product p = given;  // of our own: stores cannot change it
  // Two areas in turn: the sums of one block are finished while the next ones are computed.
  alignas(64) float sums[2][4 * kSums];
  const int steps = p.depth / kPanel;
  const std::size_t row_of_tiles = steps * kTileBytes;
  Pending before{sums[0], 0, 0, 0, 0};
  Ahead ahead(p, steps);
  int turn = 0;
  for (int panel = p.first; panel < p.last; ++panel) {
    const char* b = static_cast<const char*>(p.b) + panel * 2 * row_of_tiles;
    for (int row = 0; row < p.rows; row += kBlockRows) {
      const char* a = static_cast<const char*>(p.a) + row / kRows16 * row_of_tiles;
      const int rows = p.rows - row < kBlockRows ? p.rows - row : kBlockRows;
      if (rows > kRows16)
        block_of<Finish, true, kOften>(p, a, row_of_tiles, b, steps, before, ahead);
      else
        block_of<Finish, false, kOften>(p, a, row_of_tiles, b, steps, before, ahead);
      turn ^= 1;
      before = {sums[turn], row, rows, panel * kPanel, 0};
    }
  }
  store_sums(before);
  Finish::rest(p, before);
}

template <class Finish>
struct TilePanels {
  static void run(const Product& p) {
    if (p.depth / kPanel < 8)
      multiply_panels<Finish, true>(p);
    else
      multiply_panels<Finish, false>(p);
  }
};

void multiply_bfloat16(const Product& p) { multiply_with<TilePanels>(p); }

}  // namespace
}  // namespace mobilebert
