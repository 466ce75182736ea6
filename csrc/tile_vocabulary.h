// The loss of masked words and its gradients on tiles, some words of the vocabulary at a time.
//
// Nothing as large as the scores of all words is ever in memory: a first pass sums their powers, a
// second one scores them again and goes on with the gradients while they are in a core's cache.
#pragma once

#include "tile_outer.h"
#include "tile_rows.h"
#include "training.h"

namespace mobilebert {
namespace {

constexpr int kScored = 512;  // rows that are scored at a time

void prepare_words(const Scorer& scorer, int rows, void* packed, void* columns, char* scratch) {
  const int all = whole(rows);
  pack_rows_bfloat16(scorer.x, scorer.width, rows, scorer.width, packed, 0);
  clear_rest(packed, rows, scorer.width);
  if (!columns) return;
  pair_rows(packed, all, scorer.width, scratch);
  transpose_right(scratch, all / kPanel, scorer.width, static_cast<char*>(columns));
}

// Words beside each other, filled up to whole panels.
struct SomeWords {
  const Scorer& scorer;
  int first, count, padded;
  const float *table, *extension, *bias;
  std::size_t stride;  // of the extension

  SomeWords(const Scorer& scorer, int words, int first, Pieces& pieces)
      : scorer(scorer),
        first(first),
        count(words - first < kWordsAtOnce ? words - first : kWordsAtOnce),
        padded(mobilebert::padded(count)),
        table(scorer.table + static_cast<std::size_t>(first) * scorer.embedding),
        extension(scorer.extension + first),
        bias(scorer.bias + first),
        stride(words) {
    if (padded == count) return;
    const int rest = scorer.width - scorer.embedding;
    const std::size_t room = padded, numbers = count;
    auto* own = pieces.take<float>(room * scorer.embedding * 4);
    auto* beside = pieces.take<float>(room * rest * 4);
    auto* start = pieces.take<float>(room * 4);
    __builtin_memset(own, 0, room * scorer.embedding * 4);
    __builtin_memset(beside, 0, room * rest * 4);
    __builtin_memcpy(own, table, numbers * scorer.embedding * 4);
    for (int row = 0; row < rest; ++row)
      __builtin_memcpy(beside + row * room, extension + row * stride, numbers * 4);
    for (int word = 0; word < padded; ++word) start[word] = word < count ? bias[word] : -1.0e30f;
    table = own, extension = beside, bias = start, stride = room;
  }

  void pack_scorer(char* right) const {
    const int embedding = scorer.embedding, width = scorer.width;
    pack_columns(table, embedding, padded, embedding, right, width, 0);
    pack_transposed(extension, stride, width - embedding, padded, right, width, embedding);
  }

  void pack_back(char* right) const {
    const int embedding = scorer.embedding;
    pack_transposed(table, embedding, padded, embedding, right, padded, 0);
    pack_columns(extension, stride, scorer.width - embedding, padded,
                 right + static_cast<std::size_t>(embedding) * padded * 2, padded, 0);
  }

  // Scores of some rows, [rows][padded].
  void score(const void* packed, int row, int rows, const char* right, float* scores) const {
    Product p{};
    p.a = kept_row(packed, row, scorer.width), p.rows = rows, p.depth = scorer.width;
    p.b = right, p.last = padded / kPanel, p.bias = bias, p.activation = Activation::kNone;
    p.exact = scores, p.exact_stride = padded;
    multiply_bfloat16(p);
  }
};

// A running sum of powers of two, kept near 1 by the largest exponent so far.
struct Running {
  float &top, &sum;

  // Goes on with the largest of some scores, in units of log 2; returns what older sums shrink by.
  float rise(const float* scores, int count, float scale) const {
    Vec highest = Vec::load(scores);
    for (int word = 16; word < count; word += 16) highest = max(highest, Vec::load(scores + word));
    const float now = scale * largest(highest), before = top;
    top = now > before ? now : before;
    return __builtin_exp2f(before - top);
  }
  void add(const float* scores, int count, float scale) const {
    const float shrunk = rise(scores, count, scale);
    const Vec c = Vec::set(scale), start = Vec::set(-top);
    Vec total = Vec::zero();
    for (int word = 0; word < count; word += 16)
      total = total + power_of_two_bfloat16(fma(c, Vec::load(scores + word), start));
    sum = sum * shrunk + mobilebert::sum(total);
  }
  // The same, and the sum of the powers times other scores.
  void add_with(const float* scores, int count, float scale, const float* others,
                float& products) const {
    const float shrunk = rise(scores, count, scale);
    const Vec c = Vec::set(scale), start = Vec::set(-top);
    Vec total = Vec::zero(), product = Vec::zero();
    for (int word = 0; word < count; word += 16) {
      const Vec y = power_of_two_bfloat16(fma(c, Vec::load(scores + word), start));
      total = total + y;
      // What stands behind the last word is no score.
      product = fma(y, max(Vec::load(others + word), Vec::set(-1.0e29f)), product);
    }
    sum = sum * shrunk + mobilebert::sum(total);
    products = products * shrunk + mobilebert::sum(product);
  }
};

void score_words(const Vocabulary& step, const void* packed, const void* packed_theirs, int first,
                 char* scratch, const WordSums& sums) {
  const SoftTargets* soft = step.soft;
  Pieces pieces(scratch);
  const SomeWords words(step.scorer, step.words, first, pieces);
  char* right = pieces.take(static_cast<std::size_t>(kWordsAtOnce) * step.scorer.width * 2);
  const std::size_t room = static_cast<std::size_t>(kScored) * kWordsAtOnce * 4;
  auto* scores = pieces.take<float>(room);
  float* theirs = nullptr;
  char* right_theirs = nullptr;
  const SomeWords others(soft ? soft->scorer : step.scorer, step.words, first, pieces);
  if (soft) {
    theirs = pieces.take<float>(room);
    right_theirs = pieces.take(static_cast<std::size_t>(kWordsAtOnce) * soft->scorer.width * 2);
    others.pack_scorer(right_theirs);
  }
  words.pack_scorer(right);
  for (int row = 0; row < step.rows; row += kScored) {
    const int rows = step.rows - row < kScored ? step.rows - row : kScored, width = words.padded;
    words.score(packed, row, rows, right, scores);
    if (soft) others.score(packed_theirs, row, rows, right_theirs, theirs);
    for (int i = row; i < row + rows; ++i) {
      const float* at = scores + static_cast<std::size_t>(i - row) * width;
      Running{sums.tops[i], sums.sums[i]}.add(at, width, kLog2E);
      const int label = step.labels[i] - words.first;
      if (label >= 0 && label < words.count) sums.wanted[i] = at[label];
      if (!soft) continue;
      const float scale = kLog2E / soft->temperature;
      if (soft->temperature != 1)
        Running{sums.soft_tops[i], sums.soft_sums[i]}.add(at, width, scale);
      Running{sums.their_tops[i], sums.their_sums[i]}.add_with(
          theirs + static_cast<std::size_t>(i - row) * width, width, scale, at, sums.products[i]);
    }
  }
}

// The logarithms of the sums, in units of log 2, of a row.
struct RowSums {
  Vec own, soft, theirs;
};

// Scores become gradients: probabilities, less 1 at the label; of a teacher, less its
// probabilities.
void grade(const Vocabulary& step, const SomeWords& words, const float* scores, const float* theirs,
           const RowSums& logs, int row, void* packed, float* to_bias) {
  const SoftTargets* soft = step.soft;
  const float hard = soft ? soft->hard_share : 1.0f, temperature = soft ? soft->temperature : 1.0f;
  const Vec c = Vec::set(kLog2E), scale = Vec::set(kLog2E / temperature);
  const Vec one = Vec::set(hard), share = Vec::set((1 - hard) * temperature);
  const bool cools = soft && temperature != 1;
  const int label = step.labels[row] - words.first;
  for (int word = 0; word < words.padded; word += kPanel) {
    Vec y[2];
    for (int j = 0; j < 2; ++j) {
      const Vec score = Vec::load(scores + word + 16 * j);
      y[j] = power_of_two_bfloat16(fma(c, score, logs.own));
      if (cools) y[j] = fma(share, power_of_two_bfloat16(fma(scale, score, logs.soft)), one * y[j]);
      if (soft)
        y[j] = y[j] - share * power_of_two_bfloat16(
                                  fma(scale, Vec::load(theirs + word + 16 * j), logs.theirs));
    }
    const int place = label - word;
    if (place >= 0 && place < kPanel && label < words.count)
      y[place / 16].v = _mm512_mask_sub_ps(
          y[place / 16].v, static_cast<__mmask16>(1u << place % 16), y[place / 16].v, one.v);
    add_to(to_bias + word, y[0], y[1]);
    _mm512_store_si512(packed_row(packed, row, words.padded, word / kPanel),
                       to_bfloat16(y[0], y[1]));
  }
}

// Blocks [width / 32][words / 32] to the gradients of the word table, transposed, and of the
// extension.
void store_words(const Vocabulary& step, const SomeWords& words, const float* blocks) {
  const int across = words.padded / kPanel, embedding = step.scorer.embedding;
  for (int top = 0; top < step.scorer.width; top += kRows16)
    for (int left = 0; left < words.count; left += kRows16) {
      const float* tile =
          blocks + (static_cast<std::size_t>(top / kPanel) * across + left / kPanel) * 4 * kSums +
          (top % kPanel / kRows16 * 2 + left % kPanel / kRows16) * kSums;
      __m512i rows[kRows16];
      for (int i = 0; i < kRows16; ++i) rows[i] = _mm512_load_si512(tile + i * kRows16);
      const int count = words.count - left < kRows16 ? words.count - left : kRows16;
      const std::size_t word = words.first + left;
      if (top < embedding) {
        transpose(rows);
        for (int i = 0; i < count; ++i)
          _mm512_storeu_si512(step.to_table + (word + i) * embedding + top, rows[i]);
      } else {
        const __mmask16 there = static_cast<__mmask16>((1u << count) - 1);
        float* to =
            step.to_extension + static_cast<std::size_t>(top - embedding) * step.words + word;
        for (int i = 0; i < kRows16; ++i, to += step.words)
          _mm512_mask_storeu_epi32(to, there, rows[i]);
      }
    }
}

void word_gradients(const Vocabulary& step, const WordOperands& operands, const WordSums& logs,
                    int first, char* scratch, const Ones& ones, float* to_x) {
  const SoftTargets* soft = step.soft;
  Pieces pieces(scratch);
  const SomeWords words(step.scorer, step.words, first, pieces);
  const SomeWords others(soft ? soft->scorer : step.scorer, step.words, first, pieces);
  const int all = whole(step.rows), width = step.scorer.width;
  const std::size_t weight = static_cast<std::size_t>(kWordsAtOnce) * width * 2;
  const std::size_t scored = static_cast<std::size_t>(kScored) * kWordsAtOnce * 4;
  char *right = pieces.take(weight), *back = pieces.take(weight);
  auto* blocks = pieces.take<float>(2 * weight);
  auto* to_bias = pieces.take<float>(kWordsAtOnce * 4);
  void* grads = pieces.take(static_cast<std::size_t>(all) * kWordsAtOnce * 2);
  float* theirs = nullptr;
  char* right_theirs = nullptr;
  if (soft) {
    theirs = pieces.take<float>(scored);
    right_theirs = pieces.take(static_cast<std::size_t>(kWordsAtOnce) * soft->scorer.width * 2);
    others.pack_scorer(right_theirs);
  }
  // Scores are read before pairs are written.
  char* room = pieces.take(0);
  auto* scores = reinterpret_cast<float*>(room);
  words.pack_scorer(right);
  words.pack_back(back);
  __builtin_memset(to_bias, 0, kWordsAtOnce * 4);
  for (int row = 0; row < step.rows; row += kScored) {
    const int rows = step.rows - row < kScored ? step.rows - row : kScored;
    words.score(operands.packed, row, rows, right, scores);
    if (soft) others.score(operands.packed_theirs, row, rows, right_theirs, theirs);
    for (int i = 0; i < rows; ++i) {
      const std::size_t at = static_cast<std::size_t>(i) * words.padded;
      const auto log_of = [&](const float* sums) { return Vec::set(sums ? -sums[row + i] : 0); };
      grade(step, words, scores + at, theirs + (soft ? at : 0),
            {log_of(logs.tops), log_of(logs.soft_tops), log_of(logs.their_tops)}, row + i, grads,
            to_bias);
    }
  }
  clear_rest(grads, step.rows, words.padded);
  __builtin_memcpy(step.to_bias + words.first, to_bias, static_cast<std::size_t>(words.count) * 4);
  Product p{};
  p.a = grads, p.rows = step.rows, p.depth = words.padded, p.b = back;
  p.last = width / kPanel, p.bias = ones.zeros, p.activation = Activation::kNone;
  p.residual = to_x, p.residual_stride = width, p.scale = ones.ones;
  p.exact = to_x, p.exact_stride = width;
  multiply_bfloat16(p);
  pair_rows(grads, all, words.padded, room);
  __builtin_memset(blocks, 0, static_cast<std::size_t>(words.padded) * width * 4);
  add_outer(static_cast<const char*>(operands.columns), width, room, words.padded, all / kPanel,
            blocks);
  store_words(step, words, blocks);
}

std::size_t words_scratch(const Vocabulary& step) {
  const std::size_t words = kWordsAtOnce, all = whole(step.rows), width = step.scorer.width;
  const std::size_t theirs = step.soft ? step.soft->scorer.width : width;
  const std::size_t filled = words * (width + 1 + theirs + 1) * 4;
  const std::size_t scores = kScored * words * 4, pairs = all * words * 2;
  return filled + words * width * (2 + 2 + 4) + words * 4 + all * words * 2 + words * theirs * 2 +
         scores + (scores > pairs ? scores : pairs) + 2048;
}

}  // namespace
}  // namespace mobilebert
