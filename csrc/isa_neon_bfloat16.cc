// NEON with products in bfloat16 (FEAT_BF16), everything else as with NEON.
//
// BFMMLA multiplies 2 x 4 by 4 x 2 numbers and adds to 2 x 2 sums in float32. Layouts:
//   left matrices   [rows / 2][depth / 4][2][4]
//   keys, values    [columns / 32][depth / 4][16][2][4]: 16 pairs of columns, four rows of each
//   weights         the tiles of AMX (amx_tiles.h), so that one pack serves all: pairs of rows of
//                   16 columns, two of which interleave to four rows
#include "kernels.h"
#include "vec_neon.h"
#include "float32.h"

namespace mobilebert {
namespace {

constexpr int kQuad = 4;  // numbers of a row or column in an operand
constexpr int kOperandBytes = 16;
// 5 x 4 sums, 4 operands on the right and 5 on the left are 29 of 32 registers.
constexpr int kPairs = 5;
constexpr int kTileRows = 2 * kPairs, kTileColumns = 8;

// Where a quad of a row of a left matrix is.
inline bfloat16_t* packed_quad(void* packed, int row, int width, int column) {
  const std::size_t operand =
      static_cast<std::size_t>(row / 2) * (width / kQuad) + column / kQuad;
  return static_cast<bfloat16_t*>(packed) + operand * 2 * kQuad + row % 2 * kQuad;
}

inline void store_quad(bfloat16_t* to, Vec x) { vst1_bf16(to, vcvt_bf16_f32(x.v)); }

void pack_rows_bfloat16(const float* x, std::size_t stride, int rows, int width, void* packed,
                        int first) {
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < width; column += kQuad)
      store_quad(packed_quad(packed, first + row, width, column),
                 Vec::load(x + row * stride + column));
}

inline bfloat16x8_t operand(const char* at) {
  return vld1q_bf16(reinterpret_cast<const bfloat16_t*>(at));
}

// Eight columns of a panel: where they begin, and their operands of a quad of rows.
struct Weights {
  static const char* begin(const char* panel, int column) {
    return panel + column / 16 * 1024 + column % 16 * 4;
  }
  static void load(const char* columns, int quad, bfloat16x8_t (&right)[4]) {
    const char* at = columns + quad / 8 * 2048 + quad % 8 * 128;
    for (int half = 0; half < 2; ++half) {
      const uint32x4_t upper = vreinterpretq_u32_bf16(operand(at + half * 16));
      const uint32x4_t lower = vreinterpretq_u32_bf16(operand(at + half * 16 + 64));
      right[2 * half] = vreinterpretq_bf16_u32(vzip1q_u32(upper, lower));
      right[2 * half + 1] = vreinterpretq_bf16_u32(vzip2q_u32(upper, lower));
    }
  }
};

struct Tokens {
  static const char* begin(const char* panel, int column) {
    return panel + column / 2 * kOperandBytes;
  }
  static void load(const char* columns, int quad, bfloat16x8_t (&right)[4]) {
    for (int pair = 0; pair < 4; ++pair)
      right[pair] = operand(columns + quad * (kPanel / 2 * kOperandBytes) + pair * kOperandBytes);
  }
};

// The sums of P pairs of rows and eight columns. A row is summed in the same order whatever P is.
template <class Right, int P>
void tile(const char* a, std::size_t pair_bytes, const char* columns, int quads,
          float (*sums)[kTileColumns]) {
  float32x4_t sum[P][4];
  for (int i = 0; i < P; ++i)
    for (int j = 0; j < 4; ++j) sum[i][j] = vdupq_n_f32(0);
  for (int quad = 0; quad < quads; ++quad) {
    bfloat16x8_t right[4];
    Right::load(columns, quad, right);
#pragma GCC unroll 8
    for (int i = 0; i < P; ++i) {
      const bfloat16x8_t left = operand(a + i * pair_bytes + quad * kOperandBytes);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) sum[i][j] = vbfmmlaq_f32(sum[i][j], left, right[j]);
    }
  }
  for (int i = 0; i < P; ++i)
    for (int j = 0; j < 4; j += 2) {
      const float64x2_t one = vreinterpretq_f64_f32(sum[i][j]);
      const float64x2_t next = vreinterpretq_f64_f32(sum[i][j + 1]);
      vst1q_f32(&sums[2 * i][2 * j], vreinterpretq_f32_f64(vzip1q_f64(one, next)));
      vst1q_f32(&sums[2 * i + 1][2 * j], vreinterpretq_f32_f64(vzip2q_f64(one, next)));
    }
}

template <class Right, int P>
struct PairTiles {
  static void run(int pairs, const char* a, std::size_t pair_bytes, const char* columns, int quads,
                  float (*sums)[kTileColumns]) {
    if (pairs == P)
      tile<Right, P>(a, pair_bytes, columns, quads, sums);
    else
      PairTiles<Right, P - 1>::run(pairs, a, pair_bytes, columns, quads, sums);
  }
};
template <class Right>
struct PairTiles<Right, 0> {
  static void run(int, const char*, std::size_t, const char*, int, float (*)[kTileColumns]) {}
};

// What follows the sums of some rows and eight columns.
void finish(const Product& p, const float (*sums)[kTileColumns], int row, int rows, int column) {
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < kTileColumns; j += Vec::kLanes) {
      const int at = column + j;
      Vec y = Vec::load(&sums[i][j]);
      if (p.bias) y = y + Vec::load(p.bias + at);
      if (p.residual) {
        const Vec r = Vec::load(p.residual + (row + i) * p.residual_stride + at);
        y = fma(Vec::load(p.scale + at), r, y);
      }
      if (p.activation == Activation::kRelu)
        y = max(y, Vec::zero());
      else if (p.activation != Activation::kNone)
        y = activate(y, p.activation);
      if (p.exact) Vec::store(p.exact + (row + i) * p.exact_stride + at, y);
      if (p.packed) store_quad(packed_quad(p.packed, row + i, p.packed_width, at), y);
    }
}

template <class Right>
void multiply_by(const Product& p) {
  alignas(64) float sums[kTileRows][kTileColumns];
  const int pairs = (p.rows + 1) / 2, blocks = (pairs + kPairs - 1) / kPairs;
  const int quads = p.depth / kQuad;
  const std::size_t pair_bytes = static_cast<std::size_t>(quads) * kOperandBytes;
  for (int panel = p.first; panel < p.last; ++panel) {
    const char* b = static_cast<const char*>(p.b) + panel * (kPanel / 2) * pair_bytes;
    for (int part = 0; part < kPanel; part += kTileColumns) {
      const char* columns = Right::begin(b, part);
      for (int block = 0; block < blocks; ++block) {
        const int first = pairs * block / blocks, end = pairs * (block + 1) / blocks;
        const char* a = static_cast<const char*>(p.a) + first * pair_bytes;
        PairTiles<Right, kPairs>::run(end - first, a, pair_bytes, columns, quads, sums);
        const int rows = (2 * end < p.rows ? 2 * end : p.rows) - 2 * first;
        finish(p, sums, 2 * first, rows, panel * kPanel + part);
      }
    }
  }
}

void multiply_bfloat16(const Product& p) { multiply_by<Weights>(p); }

// Where the quad of a column is whose first row is `row`.
inline bfloat16_t* column_quad(void* packed, int column, int row, int depth) {
  const std::size_t panel = static_cast<std::size_t>(column / kPanel);
  const std::size_t quad = panel * (depth / kQuad) + row / kQuad;
  return static_cast<bfloat16_t*>(packed) + (quad * kPanel + column % kPanel) * kQuad;
}

// Tokens are the columns of keys, ...
void pack_keys_bfloat16(const float* x, std::size_t stride, int rows, int head, int, void* keys,
                        int first) {
  for (int row = 0; row < rows; ++row)
    for (int d = 0; d < head; d += kQuad)
      store_quad(column_quad(keys, first + row, d, head), Vec::load(x + row * stride + d));
}

// ... and the rows of values. Behind the last token stand zeros, because the zeros that
// probabilities have there are multiplied with them.
void pack_values_bfloat16(const float* x, std::size_t stride, int rows, int head, int length,
                          void* values, int first) {
  const int depth = padded(length);
  const int end = first + rows == length ? depth : first + rows;
  for (int token = first; token < end; ++token)
    for (int column = 0; column < head; ++column) {
      const float value = token < length ? x[(token - first) * stride + column] : 0.0f;
      column_quad(values, column, token, depth)[token % kQuad] = vcvth_bf16_f32(value);
    }
}

// Queries whose scores are in memory at once.
constexpr int kQueriesBfloat16 = 2 * kTileRows;

// For so many queries: scores in float32 and in bfloat16, queries, and contexts in float32.
std::size_t attention_scratch_bfloat16(int longest, int head) {
  return kQueriesBfloat16 * static_cast<std::size_t>(padded(longest) + head) * 6;
}

void attend_bfloat16(const Attention& t) {
  const int strip = padded(t.length);
  float* scores = static_cast<float*>(t.scratch);
  float* contexts = scores + kQueriesBfloat16 * static_cast<std::size_t>(strip);
  char* probabilities =
      reinterpret_cast<char*>(contexts + kQueriesBfloat16 * static_cast<std::size_t>(t.head));
  char* queries = probabilities + kQueriesBfloat16 * static_cast<std::size_t>(strip) * 2;
  float inverse_sums[kQueriesBfloat16];
  for (int first = 0; first < t.rows; first += kQueriesBfloat16) {
    Product product{};
    product.rows = t.rows - first < kQueriesBfloat16 ? t.rows - first : kQueriesBfloat16;
    pack_rows_bfloat16(t.query + first * t.query_stride, t.query_stride, product.rows, t.head,
                       queries, 0);
    product.a = queries;
    product.depth = t.head;
    product.b = t.keys;
    product.last = strip / kPanel;
    product.exact = scores;
    product.exact_stride = strip;
    multiply_by<Tokens>(product);
    for (int i = 0; i < product.rows; ++i)
      inverse_sums[i] = exponentiate(scores + static_cast<std::size_t>(i) * strip, t.length);
    pack_rows_bfloat16(scores, strip, product.rows, strip, probabilities, 0);
    product.a = probabilities;
    product.depth = strip;
    product.b = t.values;
    product.last = t.head / kPanel;
    product.exact = contexts;
    product.exact_stride = t.head;
    multiply_by<Tokens>(product);
    for (int i = 0; i < product.rows; ++i)
      for (int j = 0; j < t.head; j += kQuad)
        store_quad(packed_quad(t.context, t.first_row + first + i, t.width, t.first_column + j),
                   Vec::load(contexts + i * t.head + j) * Vec::set(inverse_sums[i]));
  }
}

const Arithmetic kBfloat16{"bfloat16",
                           sizeof(bfloat16_t),
                           2,
                           nothing,
                           nothing,
                           pack_rows_bfloat16,
                           multiply_bfloat16,
                           pack_keys_bfloat16,
                           pack_values_bfloat16,
                           attend_bfloat16,
                           attention_scratch_bfloat16};

}  // namespace

const Kernels kNeonBfloat16{"neon", &kFloat32, &kBfloat16, normalize, apply_tanh};

}  // namespace mobilebert
