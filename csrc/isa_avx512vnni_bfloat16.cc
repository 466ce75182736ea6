// Products in bfloat16 with AVX512-BF16, for processors that have it and no AMX.
//
// VDPBF16PS multiplies pairs of numbers and adds both products to a sum in float32, so that a pair
// takes the place of a float32 number in the kernels of float32.h. Layouts, in pairs:
//   left matrices   rows
//   keys            [tokens / 32][head / 2][32], pairs of a token's numbers
//   values          [tokens / 2][head], pairs of tokens
//   weights         the tiles of AMX (amx_tiles.h), so that one pack serves all: [columns / 32]
//                   [depth / 32][2] tiles of 16 pairs of rows by 16 columns
#include "kernels.h"
#include "vec_avx512.h"
#include "float32.h"
#include "rounding.h"
#include "vec_bfloat16.h"

namespace mobilebert {
namespace {

// Words that are pairs.
struct Pairs {
  static constexpr int kNumbers = 2;
  static constexpr int kBeside = Vec::kLanes;
  static const float* row(const Dense& p, const float* b, int d) { return b + d * p.b_stride; }
  static Vec multiply_add(Vec left, Vec right, Vec sum) {
    return {_mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(left.v),
                             reinterpret_cast<__m512bh>(right.v))};
  }
  // `packed` has rows of `packed_width` numbers; `x` becomes what stands from (row, column) on.
  static void pack(const float* x, std::size_t stride, int rows, int width, void* packed,
                   int packed_width, int row, int column) {
    constexpr int kBytes = 2;
    for (int i = 0; i < rows; ++i) {
      char* to = static_cast<char*>(packed) +
                 (static_cast<std::size_t>(row + i) * packed_width + column) * kBytes;
      for (int j = 0; j < width; j += kPanel)
        _mm512_storeu_si512(to + j * kBytes, row_of(x + i * stride + j));
    }
  }
  static Left left(const float* x, std::size_t stride, int rows, int width, float* room) {
    pack(x, stride, rows, width, room, width, 0, 0);
    return {room, static_cast<std::size_t>(width / kNumbers)};
  }
};

// Of a panel's rows there are 16 in a tile, and its right half is the next tile.
struct PairsOfTiles : Pairs {
  static constexpr int kTileRows = 16, kBeside = kTileRows * 16;
  static const float* row(const Dense&, const float* b, int d) {
    return b + d / kTileRows * (2 * kBeside) + d % kTileRows * 16;
  }
};

void pack_rows_bfloat16(const float* x, std::size_t stride, int rows, int width, void* packed,
                        int first) {
  Pairs::pack(x, stride, rows, width, packed, width, first, 0);
}

// Behind an odd number of tokens stands a zero: what a probability has beside it is multiplied with
// it. The other half of a pair may be another call's, also of another thread.
void pack_values_bfloat16(const float* x, std::size_t stride, int rows, int head, int length,
                          void* values, int first) {
  const int end = first + rows == length ? length + length % 2 : first + rows;
  for (int token = first; token < end; ++token) {
    char* to = static_cast<char*>(values) + static_cast<std::size_t>(token / 2) * head * 4;
    const __mmask32 mine = token % 2 ? 0xaaaaaaaau : 0x55555555u;
    for (int d = 0; d < head; d += kPanel) {
      const __m512i numbers = token < length ? row_of(x + (token - first) * stride + d)
                                             : _mm512_setzero_si512();
      for (int half = 0; half < 2; ++half) {
        __m512i pairs = _mm512_cvtepu16_epi32(half ? _mm512_extracti64x4_epi64(numbers, 1)
                                                   : _mm512_castsi512_si256(numbers));
        if (token % 2) pairs = _mm512_slli_epi32(pairs, 16);
        _mm512_mask_storeu_epi16(to + d * 4 + half * 64, mine, pairs);
      }
    }
  }
}

}  // namespace

const Arithmetic kAvx512Bfloat16{"bfloat16",
                                 2,
                                 1,
                                 enter_rounding,
                                 leave_rounding,
                                 pack_rows_bfloat16,
                                 multiply<PairsOfTiles>,
                                 pack_keys<Pairs>,
                                 pack_values_bfloat16,
                                 attend<Pairs>,
                                 attention_scratch<Pairs>,
                                 1,
                                 0,
                                 Vec::kRows};

}  // namespace mobilebert
