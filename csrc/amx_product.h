// Products in bfloat16 on tiles.
//
// A 32 x 32 block of a product takes 2 + 2 tiles a step of 32 in depth and 4 tiles of sums. The
// tile unit is busy for 16 cycles a product of tiles; all else has to happen beside it. So the sums
// of a block are stored in the first step of the next one, just before their tile is used again,
// and its epilogue (bias, residual, activation, packing) is spread over the later steps, some rows
// after a product of tiles: measured, three quarters of the time of one after the other.
#pragma once

#include "amx_tiles.h"

namespace mobilebert {
namespace {

constexpr int kBlockRows = 2 * kRows16;

// Everything of a product is inlined into one loop, where what does not change is in registers.
#define MOBILEBERT_INLINE inline __attribute__((always_inline))

// Rows of an epilogue that are finished together; a tile has whole groups of them.
constexpr int kFinished = 4;

// A block whose sums are computed: in tiles, then in memory, then turned into results.
struct Pending {
  float* sums;  // 4 tiles: rows 0-15 left and right, rows 16-31 left and right
  int row, rows, column;
  int next;  // rows before this one are finished
};

// What an epilogue has to do, known when it is compiled.
enum class Writes { kExact, kPacked, kBoth };

template <bool kAdds, bool kRelu, Writes kWrites>
struct Epilogue {
  template <int kCount>
  static MOBILEBERT_INLINE void rows(const Product& p, const Pending& block) {
    const int i = block.next, row = block.row + i, column = block.column;
    const float* at = block.sums + (i / kRows16) * 2 * kSums + (i % kRows16) * kRows16;
    const Vec bias[2] = {Vec::load(p.bias + column), Vec::load(p.bias + column + 16)};
    Vec y[kCount][2];
#pragma GCC unroll 4
    for (int k = 0; k < kCount; ++k)
      for (int j = 0; j < 2; ++j) y[k][j] = Vec::load(at + k * kRows16 + j * kSums) + bias[j];
    if (kAdds) {
      const float* residual = p.residual + row * p.residual_stride + column;
      const Vec scale[2] = {Vec::load(p.scale + column), Vec::load(p.scale + column + 16)};
#pragma GCC unroll 4
      for (int k = 0; k < kCount; ++k, residual += p.residual_stride)
        for (int j = 0; j < 2; ++j) y[k][j] = fma(scale[j], Vec::load(residual + 16 * j), y[k][j]);
    }
    if (kRelu && kWrites != Writes::kPacked) {
#pragma GCC unroll 4
      for (int k = 0; k < kCount; ++k)
        for (int j = 0; j < 2; ++j) y[k][j] = max(y[k][j], Vec::zero());
    } else if (!kRelu && p.activation != Activation::kNone) {
      for (int k = 0; k < kCount; ++k)
        for (int j = 0; j < 2; ++j) y[k][j] = activate(y[k][j], p.activation);
    }
    if (kWrites != Writes::kPacked) {
      float* to = p.exact + row * p.exact_stride + column;
#pragma GCC unroll 4
      for (int k = 0; k < kCount; ++k, to += p.exact_stride)
        for (int j = 0; j < 2; ++j) Vec::store(to + 16 * j, y[k][j]);
    }
    if (kWrites != Writes::kExact) {
      char* to = packed_row(p.packed, row, p.packed_width, column / kPanel);
#pragma GCC unroll 4
      for (int k = 0; k < kCount; ++k) {
        __m512i bits = to_bfloat16(y[k][0], y[k][1]);
        // Rounding keeps the sign, and negative floats are negative integers: one maximum for both.
        if (kRelu && kWrites == Writes::kPacked)
          bits = _mm512_max_epi16(bits, _mm512_setzero_si512());
        _mm512_store_si512(to + k * kRowBytes, bits);
      }
    }
  }

  static MOBILEBERT_INLINE void group(const Product& p, Pending& block) {
    if (block.next + kFinished > block.rows) return;
    rows<kFinished>(p, block);
    block.next += kFinished;
  }

  static MOBILEBERT_INLINE void rest(const Product& p, Pending& block) {
    while (block.next + kFinished <= block.rows) group(p, block);
    for (; block.next < block.rows; ++block.next) rows<1>(p, block);
  }
};

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

template <bool kAdds, bool kRelu, Writes kWrites>
void multiply_as(const Product& p) {
  using Finish = Epilogue<kAdds, kRelu, kWrites>;
  if (p.depth / kPanel < 8)
    multiply_panels<Finish, true>(p);
  else
    multiply_panels<Finish, false>(p);
}

template <bool kAdds, bool kRelu>
void multiply_to(const Product& p) {
  if (!p.packed)
    multiply_as<kAdds, kRelu, Writes::kExact>(p);
  else if (!p.exact)
    multiply_as<kAdds, kRelu, Writes::kPacked>(p);
  else
    multiply_as<kAdds, kRelu, Writes::kBoth>(p);
}

void multiply_bfloat16(const Product& p) {
  const bool relu = p.activation == Activation::kRelu;
  if (p.residual)
    relu ? multiply_to<true, true>(p) : multiply_to<true, false>(p);
  else
    relu ? multiply_to<false, true>(p) : multiply_to<false, false>(p);
}

}  // namespace
}  // namespace mobilebert
