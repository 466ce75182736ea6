// Products of integers, for the instruction sets that have them: what they share.
//
// Included behind `Vec` of AVX-512 and float32.h. A row of a left matrix is u8, with a scale and an
// offset of its own; a column of a right matrix is s8 (-127 to 127), with a scale of its own:
//   left = row scale * (u8 + row offset),   right = column scale * s8
//   product = row scale * column scale * (sum of u8 * s8 + row offset * column sum)
// Sums of integers are exact: they do not depend on how a kernel cuts a product.
//
// Layouts, in tiles (tiles.h), which AMX loads as they are:
//   left matrices   [rows / 16] groups of [depth / 64] tiles of [16 rows][64], and behind them the
//                   scales and the offsets of the rows, float32
//   right matrices  [columns / 32][depth / 64][2] tiles of [16 fours of rows][16 columns][4]
// Depths are padded to 64; the zeros of the right matrix make what is there in the left harmless.

#include "tiles.h"

namespace mobilebert {
namespace {

constexpr int kDeep = kRowBytes;  // depth of a tile
constexpr std::size_t kRowExtra = 2 * sizeof(float);

inline int deep_tiles(int depth) { return (depth + kDeep - 1) / kDeep; }

inline std::size_t group_bytes(int depth) {
  return deep_tiles(depth) * kTileBytes + kRows16 * kRowExtra;
}

// Where a panel of the right matrix starts.
inline const char* panel_of(const Product& p, int panel) {
  const std::size_t tiles = static_cast<std::size_t>(panel) * deep_tiles(p.depth) * 2;
  return static_cast<const char*>(p.b) + tiles * kTileBytes;
}

// Scales of a group of 16 rows, then their offsets.
inline float* group_scales(char* group, int depth) {
  return reinterpret_cast<float*>(group + deep_tiles(depth) * kTileBytes);
}
inline const float* group_scales(const char* group, int depth) {
  return reinterpret_cast<const float*>(group + deep_tiles(depth) * kTileBytes);
}

// 16 numbers as integers.
inline __m512i quantized(const float* x, Vec inverse, Vec zero) {
  return _mm512_cvtps_epi32(fma(Vec::load(x), inverse, zero).v);
}

// 64 integers to u8, cut off at 0 and 255, in order.
inline __m512i to_bytes(__m512i a, __m512i b, __m512i c, __m512i d) {
  // Packing works within 128 bits: words of four come out as a, b, c, d of the first lane, ...
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i low = _mm512_packs_epi32(a, b), high = _mm512_packs_epi32(c, d);
  return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high));
}

// Folds 16 vectors to one: its number i is `meet` over all of vector i.
template <class Meet>
inline Vec fold16(const Vec* x, Meet meet) {
  Vec y[8], z[4], w[2];
  for (int i = 0; i < 8; ++i) {  // halves: quarters i, i, i + 4, i + 4
    const __m512 a = x[i / 4 * 8 + i % 4].v, b = x[i / 4 * 8 + i % 4 + 4].v;
    y[i] = meet(Vec{_mm512_shuffle_f32x4(a, b, 0x44)}, Vec{_mm512_shuffle_f32x4(a, b, 0xee)});
  }
  for (int i = 0; i < 4; ++i)  // quarters i, i + 4, i + 8, i + 12
    z[i] = meet(Vec{_mm512_shuffle_f32x4(y[i].v, y[i + 4].v, 0x88)},
                Vec{_mm512_shuffle_f32x4(y[i].v, y[i + 4].v, 0xdd)});
  for (int i = 0; i < 2; ++i)
    w[i] = meet(Vec{_mm512_unpacklo_ps(z[i].v, z[i + 2].v)},
                Vec{_mm512_unpackhi_ps(z[i].v, z[i + 2].v)});
  return meet(Vec{_mm512_unpacklo_ps(w[0].v, w[1].v)}, Vec{_mm512_unpackhi_ps(w[0].v, w[1].v)});
}

// What turns up to 16 rows into integers: number i of each vector belongs to row i.
struct RowScales {
  Vec scale, inverse, zero;

  // A row goes from its least to its largest number in 255 steps, such that 0 is one of them:
  // behind a ReLU the offset is 0 by itself. A row whose step has no normal float32 number is taken
  // for zeros.
  RowScales(const float* x, std::size_t stride, int rows, int width) {
    Vec least[kRows16], most[kRows16];
    for (int i = 0; i < kRows16; ++i) least[i] = most[i] = Vec::zero();
    for (int i = 0; i < rows; ++i) {
      Vec low[2] = {Vec::zero(), Vec::zero()}, high[2] = {Vec::zero(), Vec::zero()};
      for (const float *at = x + i * stride, *end = at + width; at < end; at += kPanel)
        for (int half = 0; half < 2; ++half) {
          const Vec y = Vec::load(at + half * Vec::kLanes);
          low[half] = min(low[half], y);
          high[half] = max(high[half], y);
        }
      least[i] = min(low[0], low[1]);
      most[i] = max(high[0], high[1]);
    }
    const Vec low = fold16(least, [](Vec a, Vec b) { return min(a, b); });
    const Vec high = fold16(most, [](Vec a, Vec b) { return max(a, b); });
    const Vec step = Vec::set(1.0f / 255), smallest = Vec::set(1.17549435e-38f);
    const Vec whole = fma(high, step, Vec::zero() - low * step);
    inverse = select_less(whole, smallest, Vec::zero(), Vec::set(1.0f) / whole);
    scale = select_less(whole, smallest, Vec::zero(), whole);
    zero = round((Vec::zero() - low) * inverse);
  }
};

// Up to 16 rows, all of one group.
inline void pack_group(const float* x, std::size_t stride, int rows, int width, char* group,
                       int first) {
  const RowScales found(x, stride, rows, width);
  alignas(64) float inverses[kRows16], zeros[kRows16], scales[kRows16];
  Vec::store(inverses, found.inverse);
  Vec::store(zeros, found.zero);
  Vec::store(scales, found.scale);
  float* kept = group_scales(group, width) + first;
  for (int i = 0; i < rows; ++i) {
    const Vec inverse = Vec::set(inverses[i]), zero = Vec::set(zeros[i]);
    const float* from = x + i * stride;
    char* to = group + (first + i) * kDeep;
    for (int j = 0; j < width; j += kDeep, to += kTileBytes) {
      const float* right = j + kPanel < width ? from + j + kPanel : from + j;
      _mm512_store_si512(
          to, to_bytes(quantized(from + j, inverse, zero), quantized(from + j + 16, inverse, zero),
                       quantized(right, inverse, zero), quantized(right + 16, inverse, zero)));
    }
    kept[i] = scales[i];
    kept[kRows16 + i] = -zeros[i];
  }
}

void pack_rows_int8(const float* x, std::size_t stride, int rows, int width, void* packed,
                    int first) {
  for (int row = first; row < first + rows;) {
    const int left = first + rows - row, place = row % kRows16;
    const int count = left < kRows16 - place ? left : kRows16 - place;
    pack_group(x + (row - first) * stride, stride, count, width,
               static_cast<char*>(packed) + row / kRows16 * group_bytes(width), place);
    row += count;
  }
}

// What belongs to the 32 columns of a panel.
struct Columns {
  Vec scale[2], sum[2], bias[2], residual[2];

  Columns(const Product& p, int panel) {
    for (int half = 0; half < 2; ++half) {
      const int column = panel * kPanel + half * Vec::kLanes;
      scale[half] = Vec::load(p.column_scale + column);
      sum[half] = Vec::load(p.column_sum + column);
      bias[half] = Vec::load(p.bias + column);
      residual[half] = p.residual ? Vec::load(p.scale + column) : Vec::zero();
    }
  }
};

// What follows the sums of a row and a panel. Up to a depth of 516 float32 holds the sums exactly.
template <bool kAdds>
inline void finish_row(const Product& p, const Columns& columns, __m512i left, __m512i right,
                       int row, int column, float scale, float offset) {
  const __m512i sums[2] = {left, right};
  for (int half = 0; half < 2; ++half) {
    const int at = column + half * Vec::kLanes;
    Vec y = fma(Vec::set(offset), columns.sum[half], Vec{_mm512_cvtepi32_ps(sums[half])});
    y = fma(Vec::set(scale) * columns.scale[half], y, columns.bias[half]);
    if (kAdds)
      y = fma(columns.residual[half], Vec::load(p.residual + row * p.residual_stride + at), y);
    if (p.activation == Activation::kRelu)
      y = max(y, Vec::zero());
    else if (p.activation != Activation::kNone)
      y = activate(y, p.activation);
    Vec::store(p.exact + row * p.exact_stride + at, y);
  }
}

}  // namespace
}  // namespace mobilebert
