// Attention of training on tiles: probabilities are computed anew in the backward pass.
//
// Queries, keys and values of a token stand side by side, in bfloat16. What is dropped is decided
// by numbers made of a seed and the place of a probability, so nothing of it is kept.
#pragma once

#include "tile_outer.h"
#include "tile_rows.h"
#include "training.h"

namespace mobilebert {
namespace {

// 32 numbers of 16 bits for the probabilities of a query in a panel of keys: a counter, mixed twice
// by the finalizer of MurmurHash3 (Appleby, public domain).
class Drawn {
 public:
  explicit Drawn(std::uint64_t seed)
      : first_(_mm512_set1_epi32(static_cast<int>(seed))),
        second_(_mm512_set1_epi32(static_cast<int>(seed >> 32))) {}

  __mmask32 left(std::uint32_t place, __m512i dropped) const {
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i x = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(place * kRows16)), lanes);
    x = mixed(_mm512_xor_si512(mixed(_mm512_xor_si512(x, first_)), second_));
    return _mm512_cmpge_epu16_mask(x, dropped);
  }

 private:
  static __m512i mixed(__m512i x) {
    x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 16));
    x = _mm512_mullo_epi32(x, _mm512_set1_epi32(static_cast<int>(0x85ebca6bu)));
    x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 13));
    x = _mm512_mullo_epi32(x, _mm512_set1_epi32(static_cast<int>(0xc2b2ae35u)));
    return _mm512_xor_si512(x, _mm512_srli_epi32(x, 16));
  }

  __m512i first_, second_;
};

// One head of one text.
struct Unit {
  int first, length;  // tokens
  int padded;         // length, in whole panels
  int head;

  template <class Step>
  static Unit of(const Step& step, int text, int head) {
    const int first = step.starts[text], length = step.starts[text + 1] - first;
    return {first, length, mobilebert::padded(length), head};
  }
  // Where the numbers of a head are among those of all tokens.
  std::size_t at(int part, int heads, int width, int parts) const {
    return (static_cast<std::size_t>(first) * parts + part) * heads * width +
           static_cast<std::size_t>(head) * width;
  }
};

// Rows of 16 bits with a stride: packed, with zeros behind them.
void take_part(const std::uint16_t* rows, std::size_t stride, const Unit& unit, int width,
               char* packed) {
  pack_narrow(rows, stride, unit.length, width, packed, width);
  clear_rest(packed, unit.length, width);
}

// Packed rows as a right matrix whose columns are the rows.
void rows_as_columns(const char* packed, int rows, int width, char* right) {
  const int steps = width / kPanel;
  for (int panel = 0; panel < rows / kPanel; ++panel)
    for (int step = 0; step < steps; ++step)
      for (int half = 0; half < 2; ++half, right += kTileBytes)
        transpose_tile(
            packed + (static_cast<std::size_t>(2 * panel + half) * steps + step) * kTileBytes,
            right);
}

// Products of 32 packed rows with all columns, in blocks of 4 tiles.
void multiply_strip(const char* left, const char* right, int panels, int steps, float* blocks) {
  for (int panel = 0; panel < panels; ++panel) {
    multiply_block<true>(
        left, steps * kTileBytes, right + static_cast<std::size_t>(panel) * steps * 2 * kTileBytes,
        steps, blocks + static_cast<std::size_t>(panel) * 4 * kSums);
  }
}

inline float* row_of_blocks(float* blocks, int row) {
  return blocks + row / kRows16 * 2 * kSums + row % kRows16 * kRows16;
}

// Rows of blocks, times factors, to rows of 16 bits.
void store_strip(float* blocks, int rows, int panels, const float* factors, std::uint16_t* to,
                 std::size_t stride) {
  for (int row = 0; row < rows; ++row, to += stride) {
    const Vec factor = Vec::set(factors ? factors[row] : 1.0f);
    const float* from = row_of_blocks(blocks, row);
    for (int panel = 0; panel < panels; ++panel, from += 4 * kSums)
      _mm512_storeu_si512(to + panel * kPanel,
                          to_bfloat16(Vec::load(from) * factor, Vec::load(from + kSums) * factor));
  }
}

// What of a panel's 32 keys is there.
inline __mmask32 keys_of(const Unit& unit, int panel) {
  const int left = unit.length - panel * kPanel;
  return left >= kPanel ? ~__mmask32{0} : static_cast<__mmask32>((1u << left) - 1);
}

inline std::uint32_t place_of(const Unit& unit, int row, int heads, int panel) {
  return (static_cast<std::uint32_t>(unit.first + row) * heads + unit.head) * (1u << 8) + panel;
}

// Scores of a query to powers of two, packed, of which some are dropped; returns their sum and the
// logarithm of it, with the largest score.
struct Softmax {
  float sum, log_sum;
};

Softmax exponentiate(float* scores, const Unit& unit, float scale, const Drawn& drawn,
                     __m512i dropped, std::uint32_t place, char* packed) {
  const int panels = unit.padded / kPanel;
  const Vec least = Vec::set(-3.0e38f), c = Vec::set(scale);
  Vec top = least;
  for (int panel = 0; panel < panels; ++panel) {
    const float* at = scores + static_cast<std::size_t>(panel) * 4 * kSums;
    const __mmask32 there = keys_of(unit, panel);
    top = max(
        top,
        max(Vec{_mm512_mask_loadu_ps(least.v, static_cast<__mmask16>(there), at)},
            Vec{_mm512_mask_loadu_ps(least.v, static_cast<__mmask16>(there >> 16), at + kSums)}));
  }
  const float highest = scale * largest(top);
  Vec total = Vec::zero();
  for (int panel = 0; panel < panels; ++panel) {
    const float* at = scores + static_cast<std::size_t>(panel) * 4 * kSums;
    const __mmask32 there = keys_of(unit, panel), left = there & drawn.left(place + panel, dropped);
    Vec y[2];
    for (int j = 0; j < 2; ++j) {
      y[j] = power_of_two_bfloat16(fma(c, Vec::load(at + j * kSums), Vec::set(-highest)));
      y[j].v = _mm512_maskz_mov_ps(static_cast<__mmask16>(there >> 16 * j), y[j].v);
      total = total + y[j];
      y[j].v = _mm512_maskz_mov_ps(static_cast<__mmask16>(left >> 16 * j), y[j].v);
    }
    _mm512_store_si512(packed + panel * kTileBytes, to_bfloat16(y[0], y[1]));
  }
  const float all = sum(total);
  return {all, highest + __builtin_log2f(all)};
}

void attend_rows(const TrainedAttention& step, int text, int head, char* scratch) {
  const Unit unit = Unit::of(step, text, head);
  const int width = step.head, panels = width / kPanel, keys = unit.padded / kPanel;
  const std::size_t stride = 3u * step.heads * width,
                    bytes = static_cast<std::size_t>(unit.padded) * width * 2;
  Pieces pieces(scratch);
  char *packed = pieces.take(bytes), *key_columns = pieces.take(bytes),
       *values = pieces.take(bytes);
  char* probabilities = pieces.take(static_cast<std::size_t>(kBlockRows) * unit.padded * 2);
  auto* scores = pieces.take<float>(static_cast<std::size_t>(kBlockRows) * unit.padded * 4);
  auto* sums = pieces.take<float>(static_cast<std::size_t>(kBlockRows) * width * 4);
  const std::uint16_t* joint = step.joint;
  take_part(joint + unit.at(1, step.heads, width, 3), stride, unit, width, packed);
  rows_as_columns(packed, unit.padded, width, key_columns);
  take_part(joint + unit.at(2, step.heads, width, 3), stride, unit, width, packed);
  pair_rows(packed, unit.padded, width, values);
  take_part(joint + unit.at(0, step.heads, width, 3), stride, unit, width, packed);
  const Drawn drawn(step.seed);
  const __m512i dropped = _mm512_set1_epi16(static_cast<short>(step.dropped));
  for (int first = 0; first < unit.length; first += kBlockRows) {
    const int rows = unit.length - first < kBlockRows ? unit.length - first : kBlockRows;
    multiply_strip(packed + static_cast<std::size_t>(first) * width * 2, key_columns, keys, panels,
                   scores);
    float factors[kBlockRows];
    for (int row = 0; row < rows; ++row) {
      const Softmax found = exponentiate(row_of_blocks(scores, row), unit, step.scale, drawn,
                                         dropped, place_of(unit, first + row, step.heads, 0),
                                         packed_row(probabilities, row, unit.padded, 0));
      factors[row] = step.kept / found.sum;
      step.log_sums[static_cast<std::size_t>(unit.first + first + row) * step.heads + head] =
          found.log_sum;
    }
    // Rows behind the last are computed and not looked at.
    multiply_strip(probabilities, values, panels, keys, sums);
    store_strip(sums, rows, panels, factors,
                step.context + unit.at(0, step.heads, width, 1) +
                    static_cast<std::size_t>(first) * step.heads * width,
                static_cast<std::size_t>(step.heads) * width);
  }
}

// A query's scores and gradients of probabilities to packed probabilities and gradients of scores.
void attention_gradients(float* scores, float* gradients, const Unit& unit, float scale, float kept,
                         float shown, float log_sum, const Drawn& drawn, __m512i dropped,
                         std::uint32_t place, char* probabilities, char* to_scores) {
  const int panels = unit.padded / kPanel;
  const Vec c = Vec::set(scale), factor = Vec::set(kept), whole_sum = Vec::set(-log_sum);
  Vec total = Vec::zero();
  for (int panel = 0; panel < panels; ++panel) {
    float* at = scores + static_cast<std::size_t>(panel) * 4 * kSums;
    float* to = gradients + static_cast<std::size_t>(panel) * 4 * kSums;
    const __mmask32 there = keys_of(unit, panel), left = there & drawn.left(place + panel, dropped);
    Vec p[2];
    for (int j = 0; j < 2; ++j) {
      p[j] = power_of_two_bfloat16(fma(c, Vec::load(at + j * kSums), whole_sum));
      p[j].v = _mm512_maskz_mov_ps(static_cast<__mmask16>(there >> 16 * j), p[j].v);
      const __mmask16 some = static_cast<__mmask16>(left >> 16 * j);
      const Vec g = {_mm512_maskz_mul_ps(some, Vec::load(to + j * kSums).v, factor.v)};
      total = fma(p[j], g, total);
      Vec::store(at + j * kSums, p[j]);
      Vec::store(to + j * kSums, g);
      p[j].v = _mm512_maskz_mul_ps(some, p[j].v, factor.v);
    }
    _mm512_store_si512(probabilities + panel * kTileBytes, to_bfloat16(p[0], p[1]));
  }
  const Vec mean = Vec::set(sum(total)), shrunk = Vec::set(shown);
  for (int panel = 0; panel < panels; ++panel) {
    const float* p = scores + static_cast<std::size_t>(panel) * 4 * kSums;
    const float* g = gradients + static_cast<std::size_t>(panel) * 4 * kSums;
    _mm512_store_si512(to_scores + panel * kTileBytes,
                       to_bfloat16(Vec::load(p) * (Vec::load(g) - mean) * shrunk,
                                   Vec::load(p + kSums) * (Vec::load(g + kSums) - mean) * shrunk));
  }
}

// Adds strip^T rows to blocks [padded / 32][width / 32]: of 32 packed rows of a strip, and pairs.
void add_strip(const char* strip, const Unit& unit, const char* pairs, int width, char* room,
               float* blocks) {
  char* columns = room + static_cast<std::size_t>(kBlockRows) * unit.padded * 2;
  pair_rows(strip, kBlockRows, unit.padded, room);
  transpose_right(room, 1, unit.padded, columns);
  add_outer(columns, unit.padded, pairs, width, 1, blocks);
}

// Sums in blocks to rows of 16 bits.
void store_sums_of(float* blocks, const Unit& unit, int panels, std::uint16_t* to,
                   std::size_t stride) {
  for (int first = 0; first < unit.length; first += kBlockRows) {
    const int rows = unit.length - first < kBlockRows ? unit.length - first : kBlockRows;
    store_strip(blocks + static_cast<std::size_t>(first) / kPanel * panels * 4 * kSums, rows,
                panels, nullptr, to + first * stride, stride);
  }
}

void attention_gradient_rows(const TrainedAttentionGradient& step, int text, int head,
                             char* scratch) {
  const Unit unit = Unit::of(step, text, head);
  const int width = step.head, panels = width / kPanel, keys = unit.padded / kPanel;
  const std::size_t stride = 3u * step.heads * width;
  const std::size_t bytes = static_cast<std::size_t>(unit.padded) * width * 2;
  const std::size_t strip = static_cast<std::size_t>(kBlockRows) * unit.padded;
  Pieces pieces(scratch);
  char *packed = pieces.take(bytes), *queries = pieces.take(bytes), *grads = pieces.take(bytes);
  char *key_columns = pieces.take(bytes), *value_columns = pieces.take(bytes);
  char* key_pairs = pieces.take(bytes);
  auto* to_keys = pieces.take<float>(2 * bytes);
  auto* to_values = pieces.take<float>(2 * bytes);
  auto *scores = pieces.take<float>(4 * strip), *gradients = pieces.take<float>(4 * strip);
  char *probabilities = pieces.take(2 * strip), *to_scores = pieces.take(2 * strip);
  char* room = pieces.take(4 * strip);
  char* pairs = pieces.take(static_cast<std::size_t>(kBlockRows) * width * 2);
  auto* sums = pieces.take<float>(static_cast<std::size_t>(kBlockRows) * width * 4);
  const auto part = [&](int number) { return unit.at(number, step.heads, width, 3); };
  take_part(step.joint + part(1), stride, unit, width, packed);
  rows_as_columns(packed, unit.padded, width, key_columns);
  pair_rows(packed, unit.padded, width, key_pairs);
  take_part(step.joint + part(2), stride, unit, width, packed);
  rows_as_columns(packed, unit.padded, width, value_columns);
  take_part(step.joint + part(0), stride, unit, width, queries);
  take_part(step.grad + unit.at(0, step.heads, width, 1), stride / 3, unit, width, grads);
  __builtin_memset(to_keys, 0, 2 * bytes);
  __builtin_memset(to_values, 0, 2 * bytes);
  const Drawn drawn(step.seed);
  const __m512i dropped = _mm512_set1_epi16(static_cast<short>(step.dropped));
  const float shown = step.scale * 0.69314718f;  // scores are in units of log 2
  for (int first = 0; first < unit.length; first += kBlockRows) {
    const int rows = unit.length - first < kBlockRows ? unit.length - first : kBlockRows;
    const std::size_t at = static_cast<std::size_t>(first) * width * 2;
    multiply_strip(queries + at, key_columns, keys, panels, scores);
    multiply_strip(grads + at, value_columns, keys, panels, gradients);
    for (int row = 0; row < rows; ++row)
      attention_gradients(
          row_of_blocks(scores, row), row_of_blocks(gradients, row), unit, step.scale, step.kept,
          shown,
          step.log_sums[static_cast<std::size_t>(unit.first + first + row) * step.heads + head],
          drawn, dropped, place_of(unit, first + row, step.heads, 0),
          packed_row(probabilities, row, unit.padded, 0),
          packed_row(to_scores, row, unit.padded, 0));
    clear_rest(probabilities, rows, unit.padded);
    clear_rest(to_scores, rows, unit.padded);
    multiply_strip(to_scores, key_pairs, panels, keys, sums);
    store_strip(sums, rows, panels, nullptr, step.to_joint + part(0) + first * stride, stride);
    pair_rows(queries + at, kBlockRows, width, pairs);
    add_strip(to_scores, unit, pairs, width, room, to_keys);
    pair_rows(grads + at, kBlockRows, width, pairs);
    add_strip(probabilities, unit, pairs, width, room, to_values);
  }
  store_sums_of(to_keys, unit, panels, step.to_joint + part(1), stride);
  store_sums_of(to_values, unit, panels, step.to_joint + part(2), stride);
}

std::size_t trained_attention_scratch(int longest, int head) {
  const std::size_t rows = padded(longest), strip = kBlockRows * rows;
  return rows * head * (6 * 2 + 2 * 4) + strip * (2 * 4 + 2 * 2 + 4) +
         static_cast<std::size_t>(kBlockRows) * head * 6 + 1024;
}

}  // namespace
}  // namespace mobilebert
