// What a step of training computes row by row: forward, and the gradients.
//
// Matrices of weights are [out][in], of rows [rows][width], in float32 unless said otherwise;
// widths are whole panels (kernels.h). Products are in a lower precision, sums in float32. What the
// gradients need of the rows is kept in the layout of products: `kept_bytes` of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "threads.h"

namespace mobilebert {

// Rows of a matrix that is kept; the last ones may be filled up.
constexpr int kKeptUnit = 32;

inline std::size_t kept_bytes(int rows, int width) {
  return static_cast<std::size_t>((rows + kKeptUnit - 1) / kKeptUnit) * kKeptUnit * width * 2;
}

// Rows in float32 or, where `narrow` is given, in bfloat16.
struct RowsIn {
  const float* wide;
  const std::uint16_t* narrow;
};
struct RowsOut {
  float* wide;
  std::uint16_t* narrow;
};

// result = weight x + bias + factor * residual
struct Projection {
  int rows, in, out;
  RowsIn x;
  const float *weight, *bias, *factor, *residual;
  float* result;
  void* kept;  // x
};

struct ProjectionGradient {
  int rows, in, out;
  const float *grad, *weight, *factor, *residual;
  const void* kept;
  RowsOut to_x;
  float *to_residual, *to_weight;
  float *sums, *residual_sums;  // of grad, and of grad * residual, [out]
};

// result = folded relu(weight x + bias) + folded_bias + factor * x
struct FeedForward {
  int rows, narrow, wide;
  const float *x, *weight, *bias, *folded, *folded_bias, *factor;
  float* result;
  void *kept_x, *kept_wide;
};

struct FeedForwardGradient {
  int rows, narrow, wide;
  const float *grad, *weight, *folded, *factor;
  const void *kept_x, *kept_wide;
  float *to_x, *to_weight, *to_bias, *to_folded;
  float *sums, *x_sums;  // of grad, and of grad * x, [narrow]
};

// residual = own x + own_bias; narrow = shared x + shared_bias
// joint = [query_key narrow + query_key_bias, value x + value_bias], in bfloat16
struct Entry {
  int rows, stream, narrow, query_key, value;
  const float *x, *own, *own_bias, *shared, *shared_bias, *query_key_weight, *query_key_bias;
  const float *value_weight, *value_bias;
  float* residual;
  std::uint16_t* joint;
  void *kept_x, *kept_narrow;
};

struct EntryGradient {
  int rows, stream, narrow, query_key, value;
  const float* to_residual;
  const std::uint16_t* to_joint;
  const float *own, *shared, *query_key_weight, *value_weight;
  const void *kept_x, *kept_narrow;
  float* to_x;
  // Of the weights that read x, one below the other: value, shared, own.
  float *to_readers, *to_query_key;
  float *reader_sums, *query_key_sums;  // of the rows behind them
};

// Attention within each text and head, over queries, keys and values side by side,
// [tokens][3][heads][head], in bfloat16. A share of the probabilities is dropped, as a seed says,
// and `kept` is what makes up for it.
struct Heads {
  const std::int32_t* starts;  // of each text, and where the last one ends
  int texts, heads, head;
  float scale;  // on scores, which are then in units of log 2
  std::uint64_t seed;
  unsigned dropped;  // of 65536
  float kept;
  const std::uint16_t* joint;
};

// context = softmax(query key) value; `log_sums` are those of the scores' powers, [tokens][heads].
struct TrainedAttention : Heads {
  std::uint16_t* context;
  float* log_sums;
};

struct TrainedAttentionGradient : Heads {
  const std::uint16_t* grad;
  const float* log_sums;
  std::uint16_t* to_joint;
};

// What scores words: x table^T + bias, where the table of a word is its row of `table`, and behind
// it its column of `extension`.
struct Scorer {
  int width, embedding;
  const float *x, *table, *extension, *bias;  // [rows][width], [words][embedding], [rest][words]
};

// What a teacher says of the same rows: `hard_share` is the weight of the right words, both models'
// scores are divided by the temperature, and the teacher's part is multiplied by its square.
struct SoftTargets {
  Scorer scorer;
  float hard_share, temperature;
};

// The loss of masked words, and the gradients of the sum of all losses.
struct Vocabulary {
  int rows, words;
  Scorer scorer;
  const std::int32_t* labels;
  const SoftTargets* soft;  // null: only the right words count
  float* losses;            // [rows]
  float *to_x, *to_table, *to_extension, *to_bias;
  bool grades;  // whether gradients are wanted
};

// Words of the vocabulary that are scored at a time.
constexpr int kWordsAtOnce = 256;

// Of each row: the largest score so far, in units of log 2, the sum of powers of two of the scores
// less that, and the score of the right word. The same of scores divided by the temperature and of
// the teacher's, and the sum of the teacher's powers times scores; null without a teacher.
struct WordSums {
  float *tops, *sums, *wanted;
  float *soft_tops, *soft_sums, *their_tops, *their_sums, *products;
};

// Rows as products read them: packed, and as the left matrix of the transposed.
struct WordOperands {
  const void *packed, *columns, *packed_theirs;
};

struct Ones {
  const float *zeros, *ones;
};

// Some rows of a step: where they are, and what a thread has for itself.
struct RowShare {
  int first, count;    // first is a multiple of kKeptUnit; whole units but for the last rows
  char* scratch;       // of this thread, aligned to 64
  const float* zeros;  // as many as the widest matrix has columns
};

// Sums of a thread over its rows. Matrices stand in blocks of 32 x 32 numbers, each of 4 tiles of
// 16 x 16: rows 0-15 left and right, rows 16-31 left and right.
struct Sums {
  float* matrix[2];
  float* vector[2];
};

// Rows that are worked on at a time.
constexpr int kRowsAtOnce = 256;

// The right matrices of an entry.
struct EntryRights {
  const void *own, *shared, *query_key, *value;
};

// Of one instruction set. Right matrices are weights made ready for products: `pack_columns` for
// what rows are multiplied with, `pack_transposed` for what their gradients are.
struct Training {
  void (*enter)();  // before the first use on a thread, and `leave` after the last
  void (*leave)();
  void (*pack_columns)(const float* weight, int out, int in, void* right);
  void (*pack_transposed)(const float* weight, int out, int in, void* right, int depth, int first);
  void (*project)(const Projection&, const void* right, const RowShare&);
  void (*project_gradient)(const ProjectionGradient&, const void* right, const RowShare&,
                           const Sums&);
  void (*feed_forward)(const FeedForward&, const void* widening, const void* narrowing,
                       const RowShare&);
  void (*feed_forward_gradient)(const FeedForwardGradient&, const void* widening,
                                const void* narrowing, const RowShare&, const Sums&);
  void (*enter_attention)(const Entry&, const EntryRights&, const RowShare&);
  void (*enter_attention_gradient)(const EntryGradient&, const void* readers, const void* query_key,
                                   const RowShare&, const Sums&);
  std::size_t (*attention_scratch)(int longest, int head);
  void (*attend)(const TrainedAttention&, int text, int head, char* scratch);
  void (*attend_gradient)(const TrainedAttentionGradient&, int text, int head, char* scratch);
  std::size_t (*words_scratch)(const Vocabulary&);
  void (*prepare_words)(const Scorer&, int rows, void* packed, void* columns, char* scratch);
  void (*score_words)(const Vocabulary&, const void* packed, const void* packed_theirs, int first,
                      char* scratch, const WordSums&);
  void (*word_gradients)(const Vocabulary&, const WordOperands&, const WordSums& logs, int first,
                         char* scratch, const Ones&, float* to_x);
};

// Runs a step on the threads of a pool, each with its share of the rows.
class Trainer {
 public:
  Trainer(const Training& training, Pool& pool) : training_(training), pool_(pool) {}

  void run(const Projection& step);
  void run(const ProjectionGradient& step);
  void run(const FeedForward& step);
  void run(const FeedForwardGradient& step);
  void run(const Entry& step);
  void run(const EntryGradient& step);
  void run(const TrainedAttention& step);
  void run(const TrainedAttentionGradient& step);
  void run(const Vocabulary& step);

 private:
  const Training& training_;
  Pool& pool_;
};

}  // namespace mobilebert
