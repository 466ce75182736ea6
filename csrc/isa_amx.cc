// AMX with AVX-512: bfloat16 products on tiles, everything else as with AVX-512.
//
// Layouts, in tiles of 16 rows of 64 bytes (1 KiB, contiguous):
//   left matrices   [rows / 16][depth / 32], a tile is [16 rows][32 numbers]
//   right matrices  [columns / 32][depth / 32][2], a tile is [16 pairs of rows][16 columns][2]
// A 32 x 32 block of a product takes 2 + 2 tiles a step of 32 in depth and 4 tiles of sums.
#include "kernels.h"
#include "vec_avx512.h"
#include "float32.h"

#include <cstring>

namespace mobilebert {
namespace {

constexpr int kRows16 = 16;       // rows of a tile
constexpr std::size_t kTileBytes = 1024;
constexpr int kRowBytes = 64;
constexpr int kSums = kRows16 * kRows16;  // numbers of a tile of sums

struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1, start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes_of_row[16] = {};
  std::uint8_t rows[16] = {};
};

void enter_tiles() {
  TileConfiguration configuration;
  for (int tile = 0; tile < 8; ++tile) {
    configuration.bytes_of_row[tile] = kRowBytes;
    configuration.rows[tile] = kRows16;
  }
  // GCC 12 believes that only the first 8 bytes are read, and may leave out the stores to the rest.
  __asm__ volatile("" : : "m"(configuration) : "memory");
  _tile_loadconfig(&configuration);
}

void leave_tiles() { _tile_release(); }

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

// The sums of a 32 x 32 block, 4 tiles: rows 0-15 left and right, rows 16-31 left and right.
// With `kTall` false only the first 16 rows.
template <bool kTall>
inline void block(const char* a, std::size_t a_tall, const char* b, int steps, float* sums) {
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
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if (kTall) {
      _tile_loadd(5, left + a_tall, kRowBytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, sums, kRowBytes);
  _tile_stored(1, sums + kSums, kRowBytes);
  if (kTall) {
    _tile_stored(2, sums + 2 * kSums, kRowBytes);
    _tile_stored(3, sums + 3 * kSums, kRowBytes);
  }
}

// What follows a block of sums: `rows` rows from `row`, the columns of one panel.
template <bool kAdds>
inline void finish(const Product& p, const float* sums, int row, int rows, int panel) {
  const int column = panel * kPanel;
  const Vec bias[2] = {Vec::load(p.bias + column), Vec::load(p.bias + column + 16)};
  Vec scale[2] = {Vec::zero(), Vec::zero()};
  if (kAdds) {
    scale[0] = Vec::load(p.scale + column);
    scale[1] = Vec::load(p.scale + column + 16);
  }
  for (int i = 0; i < rows; ++i) {
    const float* at = sums + (i / kRows16) * 2 * kSums + (i % kRows16) * kRows16;
    Vec y[2] = {Vec::load(at) + bias[0], Vec::load(at + kSums) + bias[1]};
    if (kAdds) {
      const float* residual = p.residual + (row + i) * p.residual_stride + column;
      y[0] = fma(scale[0], Vec::load(residual), y[0]);
      y[1] = fma(scale[1], Vec::load(residual + 16), y[1]);
    }
    if (p.activation == Activation::kRelu) {
      y[0] = max(y[0], Vec::zero());
      y[1] = max(y[1], Vec::zero());
    } else if (p.activation != Activation::kNone) {
      y[0] = activate(y[0], p.activation);
      y[1] = activate(y[1], p.activation);
    }
    if (p.exact) {
      float* to = p.exact + (row + i) * p.exact_stride + column;
      Vec::store(to, y[0]);
      Vec::store(to + 16, y[1]);
    }
    if (p.packed)
      _mm512_store_si512(packed_row(p.packed, row + i, p.packed_width, panel),
                         to_bfloat16(y[0], y[1]));
  }
}

template <bool kAdds>
void multiply_panels(const Product& p) {
  // Two areas in turn: the sums of one block are finished while the next ones are computed.
  alignas(64) float sums[2][4 * kSums];
  const int steps = p.depth / kPanel;
  const std::size_t row_of_tiles = steps * kTileBytes;
  int turn = 0;
  for (int panel = p.first; panel < p.last; ++panel) {
    const char* b = static_cast<const char*>(p.b) + panel * 2 * row_of_tiles;
    for (int row = 0; row < p.rows; row += 2 * kRows16, turn ^= 1) {
      const char* a = static_cast<const char*>(p.a) + row / kRows16 * row_of_tiles;
      const int rows = p.rows - row;
      if (rows > kRows16) {
        block<true>(a, row_of_tiles, b, steps, sums[turn]);
        finish<kAdds>(p, sums[turn], row, rows < 2 * kRows16 ? rows : 2 * kRows16, panel);
      } else {
        block<false>(a, row_of_tiles, b, steps, sums[turn]);
        finish<kAdds>(p, sums[turn], row, rows, panel);
      }
    }
  }
}

void multiply_bfloat16(const Product& p) {
  if (p.residual)
    multiply_panels<true>(p);
  else
    multiply_panels<false>(p);
}

inline std::uint16_t rounded(float x) {
  return static_cast<std::uint16_t>(
      _mm_extract_epi16(reinterpret_cast<__m128i>(_mm_cvtneps_pbh(_mm_set_ss(x))), 0));
}

// Keys are a right matrix whose columns are tokens: [tokens / 32][head / 32][2], a pair of rows is
// a pair of a token's numbers.
void pack_keys_bfloat16(const float* x, std::size_t stride, int rows, int head, int, void* keys,
                        int first) {
  const int steps = head / kPanel;
  alignas(64) std::uint32_t pairs[kRows16];
  for (int row = 0; row < rows; ++row) {
    const int token = first + row;
    for (int step = 0; step < steps; ++step) {
      const float* from = x + row * stride + step * kPanel;
      _mm512_store_si512(pairs, to_bfloat16(Vec::load(from), Vec::load(from + 16)));
      char* tile = static_cast<char*>(keys) +
                   ((static_cast<std::size_t>(token / kPanel) * steps + step) * 2 +
                    token % kPanel / kRows16) *
                       kTileBytes;
      for (int pair = 0; pair < kRows16; ++pair)
        std::memcpy(tile + pair * kRowBytes + token % kRows16 * 4, &pairs[pair], 4);
    }
  }
}

// Values are a right matrix whose rows are tokens: [head / 32][tokens / 32][2]. Behind the last token
// stand zeros, because the zeros that probabilities have there are multiplied with them.
void pack_values_bfloat16(const float* x, std::size_t stride, int rows, int head, int length,
                          void* values, int first) {
  const int steps = padded(length) / kPanel;
  const int end = first + rows == length ? padded(length) : first + rows;
  for (int token = first; token < end; ++token) {
    const float* from = x + (token - first) * stride;
    for (int column = 0; column < head; ++column) {
      const std::size_t tile =
          (static_cast<std::size_t>(column / kPanel) * steps + token / kPanel) * 2 +
          column % kPanel / kRows16;
      const std::uint16_t value = token < length ? rounded(from[column]) : 0;
      std::memcpy(static_cast<char*>(values) + tile * kTileBytes +
                      token % kPanel / 2 * kRowBytes + column % kRows16 * 4 + token % 2 * 2,
                  &value, 2);
    }
  }
}

constexpr int kTileQueries = 2 * kRows16;

// Scores of 32 queries in float32 and in bfloat16, their queries and a block of sums.
std::size_t attention_scratch_bfloat16(int longest, int head) {
  const std::size_t strip = padded(longest);
  return kTileQueries * (strip * 6 + static_cast<std::size_t>(head) * 2);
}

void attend_bfloat16(const Attention& t) {
  const int strip = padded(t.length), steps = t.head / kPanel, key_steps = strip / kPanel;
  float* scores = static_cast<float*>(t.scratch);
  char* probabilities = reinterpret_cast<char*>(scores + static_cast<std::size_t>(kTileQueries) * strip);
  char* queries = probabilities + static_cast<std::size_t>(kTileQueries) * strip * 2;
  alignas(64) float sums[4 * kSums];
  float inverse_sums[kTileQueries];
  for (int first = 0; first < t.rows; first += kTileQueries) {
    const int rows = t.rows - first < kTileQueries ? t.rows - first : kTileQueries;
    const bool tall = rows > kRows16;
    pack_rows_bfloat16(t.query + first * t.query_stride, t.query_stride, rows, t.head, queries, 0);
    for (int panel = 0; panel < key_steps; ++panel) {
      const char* keys = static_cast<const char*>(t.keys) + panel * steps * 2 * kTileBytes;
      if (tall)
        block<true>(queries, steps * kTileBytes, keys, steps, sums);
      else
        block<false>(queries, 0, keys, steps, sums);
      for (int i = 0; i < rows; ++i) {
        const float* from = sums + (i / kRows16) * 2 * kSums + (i % kRows16) * kRows16;
        float* to = scores + static_cast<std::size_t>(i) * strip + panel * kPanel;
        Vec::store(to, Vec::load(from));
        Vec::store(to + 16, Vec::load(from + kSums));
      }
    }
    for (int i = 0; i < rows; ++i) {
      float* row = scores + static_cast<std::size_t>(i) * strip;
      inverse_sums[i] = exponentiate(row, t.length);
      pack_rows_bfloat16(row, strip, 1, strip, probabilities, i);
    }
    for (int panel = 0; panel < steps; ++panel) {
      const char* values = static_cast<const char*>(t.values) + panel * key_steps * 2 * kTileBytes;
      if (tall)
        block<true>(probabilities, key_steps * kTileBytes, values, key_steps, sums);
      else
        block<false>(probabilities, 0, values, key_steps, sums);
      for (int i = 0; i < rows; ++i) {
        const float* from = sums + (i / kRows16) * 2 * kSums + (i % kRows16) * kRows16;
        const Vec factor = Vec::set(inverse_sums[i]);
        _mm512_store_si512(packed_row(t.context, t.first_row + first + i, t.width,
                                      t.first_column / kPanel + panel),
                           to_bfloat16(Vec::load(from) * factor, Vec::load(from + kSums) * factor));
      }
    }
  }
}

const Arithmetic kBfloat16{"bfloat16",
                           2,
                           kRows16,
                           enter_tiles,
                           leave_tiles,
                           pack_rows_bfloat16,
                           multiply_bfloat16,
                           pack_keys_bfloat16,
                           pack_values_bfloat16,
                           attend_bfloat16,
                           attention_scratch_bfloat16};

}  // namespace

const Kernels kAmx{"amx", &kFloat32, &kBfloat16, normalize, apply_tanh};

}  // namespace mobilebert
