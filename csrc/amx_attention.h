// Attention in bfloat16 on tiles.
//
// Layouts, in tiles:
//   keys    [tokens / 32][head / 32][2], a right matrix whose columns are tokens
//   values  [head / 32][tokens / 32][2], a right matrix whose rows are tokens
//   scores  [tokens / 32][4], as sums come out of a block: queries 0-15 left and right, 16-31 ...
// Scores stay float32 and probabilities become bfloat16 where they are made.
#pragma once

#include "amx_tiles.h"

namespace mobilebert {
namespace {

// Tokens of one tile, which may be filled by several calls, also of different threads.
struct Part {
  int first, end;  // of the tile's tokens

  // Of the tokens [first, first + rows) those in the tile that starts at `start`.
  static Part of(int first, int rows, int start, int size) {
    const int from = first > start ? first - start : 0;
    const int to = first + rows - start < size ? first + rows - start : size;
    return {from, to};
  }
};

// A pair of rows of a key tile is a pair of a token's numbers.
void pack_keys_bfloat16(const float* x, std::size_t stride, int rows, int head, int, void* keys,
                        int first) {
  const int steps = head / kPanel;
  for (int start = first / kRows16 * kRows16; start < first + rows; start += kRows16) {
    const Part part = Part::of(first, rows, start, kRows16);
    const __mmask16 tokens = static_cast<__mmask16>((1u << part.end) - (1u << part.first));
    for (int step = 0; step < steps; ++step) {
      __m512i pairs[kRows16];
      for (int i = 0; i < kRows16; ++i)
        pairs[i] = i >= part.first && i < part.end
                       ? row_of(x + (start + i - first) * stride + step * kPanel)
                       : _mm512_setzero_si512();
      transpose(pairs);
      char* tile = static_cast<char*>(keys) +
                   ((static_cast<std::size_t>(start / kPanel) * steps + step) * 2 +
                    start % kPanel / kRows16) *
                       kTileBytes;
      for (int i = 0; i < kRows16; ++i)
        _mm512_mask_storeu_epi32(tile + i * kRowBytes, tokens, pairs[i]);
    }
  }
}

// Behind the last token stand zeros, because the zeros that probabilities have there are multiplied
// with them.
void pack_values_bfloat16(const float* x, std::size_t stride, int rows, int head, int length,
                          void* values, int first) {
  const int steps = padded(length) / kPanel;
  const int end = first + rows == length ? padded(length) : first + rows;
  // Two rows become pairs: number 0 of both, number 1 of both, ...
  const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,
                                       39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  for (int token = first / 2 * 2; token < end; token += 2) {
    // The pair's other row may be another call's.
    const __mmask32 mine =
        (token >= first ? 0x55555555u : 0u) | (token + 1 < end ? 0xaaaaaaaau : 0u);
    for (int step = 0; step < head / kPanel; ++step) {
      __m512i pair[2];
      for (int i = 0; i < 2; ++i)
        pair[i] = token + i >= first && token + i < first + rows
                      ? row_of(x + (token + i - first) * stride + step * kPanel)
                      : _mm512_setzero_si512();
      char* to = static_cast<char*>(values) +
                 (static_cast<std::size_t>(step) * steps + token / kPanel) * 2 * kTileBytes +
                 token % kPanel / 2 * kRowBytes;
      _mm512_mask_storeu_epi16(to, mine, _mm512_permutex2var_epi16(pair[0], low, pair[1]));
      _mm512_mask_storeu_epi16(to + kTileBytes, mine,
                               _mm512_permutex2var_epi16(pair[0], high, pair[1]));
    }
  }
}

constexpr int kScoresOfPanel = 4 * kSums;

// Tokens of the last panel: its left and right half.
struct LastPanel {
  __mmask16 half[2];

  explicit LastPanel(int tokens)
      : half{static_cast<__mmask16>((1u << (tokens < 16 ? tokens : 16)) - 1),
             static_cast<__mmask16>(tokens > 16 ? (1u << (tokens - 16)) - 1 : 0)} {}
};

// Rows of scores become rows of probabilities, in a left matrix, that are not yet divided by their
// sums. Several rows together: one alone would wait for itself.
template <int kCount>
inline void exponentiate_rows(const float* scores, int length, char* probabilities, float* sums) {
  const int panels = padded(length) / kPanel;
  const LastPanel end(length - (panels - 1) * kPanel);
  const float* last = scores + static_cast<std::size_t>(panels - 1) * kScoresOfPanel;
  Vec top[kCount], total[kCount];
#pragma GCC unroll 4
  for (int i = 0; i < kCount; ++i) {
    const Vec least = Vec::set(-3.0e38f);
    const float* at = last + i * kRows16;
    top[i] = max(Vec{_mm512_mask_loadu_ps(least.v, end.half[0], at)},
                 Vec{_mm512_mask_loadu_ps(least.v, end.half[1], at + kSums)});
  }
  for (const float* panel = scores; panel < last; panel += kScoresOfPanel)
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) {
      const float* at = panel + i * kRows16;
      top[i] = max(top[i], max(Vec::load(at), Vec::load(at + kSums)));
    }
#pragma GCC unroll 4
  for (int i = 0; i < kCount; ++i) {
    top[i] = Vec::set(largest(top[i]));
    total[i] = Vec::zero();
  }
  for (const float* panel = scores; panel <= last; panel += kScoresOfPanel) {
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) {
      Vec y[2];
#pragma GCC unroll 2
      for (int j = 0; j < 2; ++j) {
        y[j] = power_of_two_bfloat16(Vec::load(panel + i * kRows16 + j * kSums) - top[i]);
        if (panel == last) y[j].v = _mm512_maskz_mov_ps(end.half[j], y[j].v);
      }
      total[i] = total[i] + (y[0] + y[1]);
      _mm512_store_si512(probabilities + i * kRowBytes, to_bfloat16(y[0], y[1]));
    }
    probabilities += kTileBytes;
  }
#pragma GCC unroll 4
  for (int i = 0; i < kCount; ++i) sums[i] = sum(total[i]);
}

constexpr int kTogether = 4;  // rows of scores

// Scores of 32 queries, their probabilities, and the queries.
std::size_t attention_scratch_bfloat16(int longest, int head) {
  const std::size_t strip = padded(longest);
  return kBlockRows * (strip * 6 + static_cast<std::size_t>(head) * 2);
}

template <bool kTall>
void attend_some(const Attention& t, int first, int rows) {
  const int strip = padded(t.length), steps = t.head / kPanel, key_steps = strip / kPanel;
  float* scores = static_cast<float*>(t.scratch);
  char* probabilities =
      reinterpret_cast<char*>(scores + static_cast<std::size_t>(kBlockRows) * strip);
  char* queries = probabilities + static_cast<std::size_t>(kBlockRows) * strip * 2;
  pack_rows_bfloat16(t.query + first * t.query_stride, t.query_stride, rows, t.head, queries, 0);
  for (int panel = 0; panel < key_steps; ++panel)
    multiply_block<kTall>(queries, steps * kTileBytes,
                          static_cast<const char*>(t.keys) + panel * steps * 2 * kTileBytes, steps,
                          scores + panel * kScoresOfPanel);
  float totals[kBlockRows];
  for (int i = 0; i < rows; i += kTogether)  // rows behind the last are computed and not looked at
    exponentiate_rows<kTogether>(scores + (i / kRows16) * 2 * kSums + (i % kRows16) * kRows16,
                                 t.length, packed_row(probabilities, i, strip, 0), totals + i);
  alignas(64) float sums[4 * kSums];
  for (int panel = 0; panel < steps; ++panel) {
    multiply_block<kTall>(probabilities, key_steps * kTileBytes,
                          static_cast<const char*>(t.values) + panel * key_steps * 2 * kTileBytes,
                          key_steps, sums);
    const int column = t.first_column / kPanel + panel;
    for (int i = 0; i < rows; ++i) {
      const float* from = sums + (i / kRows16) * 2 * kSums + (i % kRows16) * kRows16;
      const Vec factor = Vec::set(1.0f / totals[i]);
      const Vec left = Vec::load(from) * factor, right = Vec::load(from + kSums) * factor;
      const int row = t.first_row + first + i;
      if (t.exact) {
        float* to = t.exact + static_cast<std::size_t>(row) * t.width + column * kPanel;
        Vec::store(to, left);
        Vec::store(to + 16, right);
      } else {
        _mm512_store_si512(packed_row(t.context, row, t.width, column), to_bfloat16(left, right));
      }
    }
  }
}

void attend_bfloat16(const Attention& t) {
  for (int first = 0; first < t.rows; first += kBlockRows) {
    const int rows = t.rows - first < kBlockRows ? t.rows - first : kBlockRows;
    if (rows > kRows16)
      attend_some<true>(t, first, rows);
    else
      attend_some<false>(t, first, rows);
  }
}

}  // namespace
}  // namespace mobilebert
