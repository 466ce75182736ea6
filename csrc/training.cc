#include "training.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "kernels.h"
#include "ranges.h"

namespace mobilebert {
namespace {

constexpr std::size_t kLine = 64;

struct Freed {
  void operator()(char* memory) const { std::free(memory); }
};

// Memory that a thread keeps from call to call: fresh pages cost as much as the work on them.
class Room {
 public:
  char* of(std::size_t bytes) {
    if (bytes > size_) {
      memory_.reset(
          static_cast<char*>(std::aligned_alloc(kLine, (bytes + kLine - 1) / kLine * kLine)));
      size_ = memory_ ? bytes : 0;
      if (!memory_) throw std::bad_alloc();
    }
    return memory_.get();
  }

 private:
  std::unique_ptr<char, Freed> memory_;
  std::size_t size_ = 0;
};

std::size_t lines(std::size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

std::size_t weight_bytes(int out, int in) { return static_cast<std::size_t>(out) * in * 2; }

// Weights made ready for products, of one call after the other.
char* weights(std::size_t bytes) {
  static thread_local Room room;
  return room.of(bytes);
}

// What each of some threads has for itself, had before they start: memory that is exhausted is then
// the caller's exception.
class Scratch {
 public:
  Scratch(std::size_t bytes, const Pool& pool) : bytes_(lines(bytes)) {
    static thread_local Room room;
    start_ = room.of(bytes_ * pool.size());
  }
  char* of(int thread) const { return start_ + bytes_ * thread; }

 private:
  std::size_t bytes_;
  char* start_;
};

// Of the rows that are worked on at a time.
std::size_t row_bytes(int width, std::size_t number) {
  return lines(static_cast<std::size_t>(kRowsAtOnce) * width * number);
}

// Sizes of the sums of a step: two matrices, two vectors.
struct Sizes {
  std::size_t matrix[2], vector[2];
  std::size_t all() const { return matrix[0] + matrix[1] + vector[0] + vector[1]; }
};

// The sums of all threads.
class AllSums {
 public:
  AllSums(const Sizes& sizes, int threads)
      : sizes_(sizes), numbers_(sizes.all() * threads + kLine) {
    const auto at = reinterpret_cast<std::uintptr_t>(numbers_.data());
    start_ = numbers_.data() + ((kLine - at % kLine) % kLine) / sizeof(float);
  }

  Sums of(int thread) {
    float* at = start_ + sizes_.all() * thread;
    float* second = at + sizes_.matrix[0];
    float* third = second + sizes_.matrix[1];
    return {{at, second}, {third, third + sizes_.vector[0]}};
  }

  // Adds those of the other threads to those of the first, in order.
  Sums total(int threads) {
    float* sums = start_;
    for (int thread = 1; thread < threads; ++thread) {
      const float* others = start_ + sizes_.all() * thread;
      for (std::size_t i = 0; i < sizes_.all(); ++i) sums[i] += others[i];
    }
    return of(0);
  }

 private:
  Sizes sizes_;
  std::vector<float> numbers_;
  float* start_;
};

// Blocks of 32 x 32 to a matrix [height][width], or to the transposed one.
void unpack(const float* blocks, int height, int width, bool transposed, float* to) {
  constexpr int kHalf = kPanel / 2;
  for (int top = 0; top < height; top += kPanel)
    for (int left = 0; left < width; left += kPanel)
      for (int tile = 0; tile < 4; ++tile)
        for (int i = 0; i < kHalf; ++i)
          for (int j = 0; j < kHalf; ++j, ++blocks) {
            const std::size_t row = top + tile / 2 * kHalf + i,
                              column = left + tile % 2 * kHalf + j;
            to[transposed ? column * height + row : row * width + column] = *blocks;
          }
}

// Gives each thread its rows, some at a time.
template <class Work>
void over_rows(const Training& training, Pool& pool, int rows, std::size_t scratch, int widest,
               const Work& work) {
  const std::vector<float> zeros(widest);
  const Scratch rooms(scratch, pool);
  pool.run([&](int index, int threads) {
    RowShare some;
    some.scratch = rooms.of(index);
    some.zeros = zeros.data();
    const Range own = share_of(rows, kKeptUnit, index, threads);
    training.enter();
    for (some.first = own.first; some.first < own.end; some.first += kRowsAtOnce) {
      some.count = std::min(kRowsAtOnce, own.end - some.first);
      work(some, index);
    }
    training.leave();
  });
}

// Gives each thread heads of texts, one after the other.
template <class Step, class Work>
void over_heads(const Training& training, Pool& pool, const Step& step, const Work& work) {
  int longest = 0;
  for (int text = 0; text < step.texts; ++text)
    longest = std::max(longest, step.starts[text + 1] - step.starts[text]);
  const Scratch rooms(training.attention_scratch(longest, step.head), pool);
  pool.run([&](int index, int threads) {
    char* own = rooms.of(index);
    training.enter();
    for (int unit = index; unit < step.texts * step.heads; unit += threads)
      work(unit / step.heads, unit % step.heads, own);
    training.leave();
  });
}

// Gives each thread words of the vocabulary, some at a time.
template <class Work>
void over_words(const Training& training, Pool& pool, const Vocabulary& step, std::size_t scratch,
                const Work& work) {
  const int blocks = (step.words + kWordsAtOnce - 1) / kWordsAtOnce;
  const Scratch rooms(scratch, pool);
  pool.run([&](int index, int threads) {
    char* own = rooms.of(index);
    training.enter();
    for (int block = index; block < blocks; block += threads)
      work(block * kWordsAtOnce, index, own);
    training.leave();
  });
}

// What all threads have found of the scores of each row.
class AllWordSums {
 public:
  AllWordSums(const Vocabulary& step, int threads)
      : step_(step), threads_(threads), rows_(step.rows), numbers_(kSums * rows_ * threads) {
    for (int thread = 0; thread < threads; ++thread)
      for (float* tops : {of(thread).tops, of(thread).soft_tops, of(thread).their_tops})
        std::fill_n(tops, rows_, -3.0e38f);
  }

  WordSums of(int thread) {
    float* at = numbers_.data() + kSums * rows_ * thread;
    const auto next = [&] { return std::exchange(at, at + rows_); };
    return {next(), next(), next(), next(), next(), next(), next(), next()};
  }

  // Writes the losses, and returns the logarithms of the sums in place of the largest scores.
  WordSums total() {
    const WordSums all = of(0);
    for (int thread = 1; thread < threads_; ++thread) {
      const WordSums more = of(thread);
      for (std::size_t row = 0; row < rows_; ++row) {
        add(all.tops[row], all.sums[row], more.tops[row], more.sums[row]);
        all.wanted[row] += more.wanted[row];
        if (!step_.soft) continue;
        add(all.soft_tops[row], all.soft_sums[row], more.soft_tops[row], more.soft_sums[row]);
        const auto [mine, other] = add(all.their_tops[row], all.their_sums[row],
                                       more.their_tops[row], more.their_sums[row]);
        all.products[row] = all.products[row] * mine + more.products[row] * other;
      }
    }
    for (std::size_t row = 0; row < rows_; ++row) {
      all.tops[row] += std::log2(all.sums[row]);
      step_.losses[row] = all.tops[row] * kLn2 - all.wanted[row];
      if (step_.soft) soften(all, row);
    }
    return all;
  }

 private:
  static constexpr std::size_t kSums = 8;
  static constexpr float kLn2 = 0.69314718f;

  // Adds a sum to another; returns what each is multiplied with.
  static std::pair<float, float> add(float& top, float& sum, float other_top, float other_sum) {
    const float highest = std::max(top, other_top);
    const float mine = std::exp2(top - highest), other = std::exp2(other_top - highest);
    sum = sum * mine + other_sum * other;
    top = highest;
    return {mine, other};
  }

  void soften(const WordSums& all, std::size_t row) const {
    const float temperature = step_.soft->temperature, hard = step_.soft->hard_share;
    float log_sum = all.tops[row];
    if (temperature != 1) {
      all.soft_tops[row] += std::log2(all.soft_sums[row]);
      log_sum = all.soft_tops[row];
    }
    const float mean = all.products[row] / all.their_sums[row] / temperature;
    all.their_tops[row] += std::log2(all.their_sums[row]);
    step_.losses[row] =
        hard * step_.losses[row] + (1 - hard) * temperature * temperature * (log_sum * kLn2 - mean);
  }

  const Vocabulary& step_;
  const int threads_;
  const std::size_t rows_;
  std::vector<float> numbers_;
};

}  // namespace

void Trainer::run(const Projection& step) {
  char* right = weights(weight_bytes(step.out, step.in));
  training_.pack_columns(step.weight, step.out, step.in, right);
  over_rows(training_, pool_, step.rows, 0, step.out,
            [&](const RowShare& rows, int) { training_.project(step, right, rows); });
}

void Trainer::run(const ProjectionGradient& step) {
  char* right = weights(weight_bytes(step.out, step.in));
  training_.pack_transposed(step.weight, step.out, step.in, right, step.out, 0);
  const int small = std::min(step.in, step.out), large = std::max(step.in, step.out);
  const std::size_t size = static_cast<std::size_t>(small) * large, out = step.out;
  AllSums sums({{size, 0}, {out, out}}, pool_.size());
  const std::size_t scratch =
      row_bytes(step.out, 2) +
      std::max(row_bytes(step.in, 4), 2 * row_bytes(small, 2) + row_bytes(large, 2));
  over_rows(training_, pool_, step.rows, scratch, step.in, [&](const RowShare& rows, int thread) {
    training_.project_gradient(step, right, rows, sums.of(thread));
  });
  const Sums total = sums.total(pool_.size());
  unpack(total.matrix[0], small, large, step.out > step.in, step.to_weight);
  std::copy_n(total.vector[0], step.out, step.sums);
  std::copy_n(total.vector[1], step.out, step.residual_sums);
}

void Trainer::run(const FeedForward& step) {
  const std::size_t bytes = weight_bytes(step.narrow, step.wide);
  char* widening = weights(2 * bytes);
  char* narrowing = widening + bytes;
  training_.pack_columns(step.weight, step.wide, step.narrow, widening);
  training_.pack_columns(step.folded, step.narrow, step.wide, narrowing);
  over_rows(training_, pool_, step.rows, 0, 0, [&](const RowShare& rows, int) {
    training_.feed_forward(step, widening, narrowing, rows);
  });
}

void Trainer::run(const FeedForwardGradient& step) {
  const std::size_t bytes = weight_bytes(step.narrow, step.wide);
  char* widening = weights(2 * bytes);
  char* narrowing = widening + bytes;
  training_.pack_transposed(step.weight, step.wide, step.narrow, widening, step.wide, 0);
  training_.pack_transposed(step.folded, step.narrow, step.wide, narrowing, step.narrow, 0);
  const std::size_t narrow = step.narrow, wide = step.wide, size = narrow * wide;
  AllSums sums({{size, size}, {2 * narrow, wide}}, pool_.size());
  const std::size_t scratch = 3 * row_bytes(step.narrow, 2) + 2 * row_bytes(step.wide, 2);
  over_rows(training_, pool_, step.rows, scratch, std::max(step.narrow, step.wide),
            [&](const RowShare& rows, int thread) {
              training_.feed_forward_gradient(step, widening, narrowing, rows, sums.of(thread));
            });
  const Sums total = sums.total(pool_.size());
  unpack(total.matrix[0], step.narrow, step.wide, false, step.to_folded);
  unpack(total.matrix[1], step.narrow, step.wide, true, step.to_weight);
  std::copy_n(total.vector[0], narrow, step.sums);
  std::copy_n(total.vector[0] + narrow, narrow, step.x_sums);
  std::copy_n(total.vector[1], wide, step.to_bias);
}

void Trainer::run(const Entry& step) {
  const std::size_t own = weight_bytes(step.narrow, step.stream);
  const std::size_t value = weight_bytes(step.value, step.stream);
  char* right = weights(2 * own + value + weight_bytes(step.query_key, step.narrow));
  const EntryRights rights{right, right + own, right + 2 * own + value, right + 2 * own};
  const auto pack = [&](const float* weight, int out, int in, const void* to) {
    training_.pack_columns(weight, out, in, const_cast<void*>(to));
  };
  pack(step.own, step.narrow, step.stream, rights.own);
  pack(step.shared, step.narrow, step.stream, rights.shared);
  pack(step.value_weight, step.value, step.stream, rights.value);
  pack(step.query_key_weight, step.query_key, step.narrow, rights.query_key);
  over_rows(training_, pool_, step.rows, row_bytes(step.query_key + step.value, 4), 0,
            [&](const RowShare& rows, int) { training_.enter_attention(step, rights, rows); });
}

void Trainer::run(const EntryGradient& step) {
  const int width = step.value + 2 * step.narrow;
  char* readers =
      weights(weight_bytes(width, step.stream) + weight_bytes(step.query_key, step.narrow));
  char* query_key = readers + weight_bytes(width, step.stream);
  const auto pack = [&](const float* weight, int out, int first) {
    training_.pack_transposed(weight, out, step.stream, readers, width, first);
  };
  pack(step.value_weight, step.value, 0);
  pack(step.shared, step.narrow, step.value);
  pack(step.own, step.narrow, step.value + step.narrow);
  training_.pack_transposed(step.query_key_weight, step.query_key, step.narrow, query_key,
                            step.query_key, 0);
  const std::size_t all = width, stream = step.stream, both = step.query_key, narrow = step.narrow;
  AllSums sums({{stream * all, narrow * both}, {all, both}}, pool_.size());
  const std::size_t scratch = row_bytes(width, 2) + row_bytes(step.query_key, 2) +
                              2 * row_bytes(std::max(step.stream, step.narrow), 2) +
                              row_bytes(std::max(width, step.query_key), 2);
  over_rows(training_, pool_, step.rows, scratch, std::max(step.stream, step.narrow),
            [&](const RowShare& rows, int thread) {
              training_.enter_attention_gradient(step, readers, query_key, rows, sums.of(thread));
            });
  const Sums total = sums.total(pool_.size());
  unpack(total.matrix[0], step.stream, width, true, step.to_readers);
  unpack(total.matrix[1], step.narrow, step.query_key, true, step.to_query_key);
  std::copy_n(total.vector[0], all, step.reader_sums);
  std::copy_n(total.vector[1], both, step.query_key_sums);
}

void Trainer::run(const TrainedAttention& step) {
  over_heads(training_, pool_, step, [&](int text, int head, char* scratch) {
    training_.attend(step, text, head, scratch);
  });
}

void Trainer::run(const TrainedAttentionGradient& step) {
  over_heads(training_, pool_, step, [&](int text, int head, char* scratch) {
    training_.attend_gradient(step, text, head, scratch);
  });
}

void Trainer::run(const Vocabulary& step) {
  const int threads = pool_.size();
  const SoftTargets* soft = step.soft;
  const std::size_t rows = step.rows, numbers = rows * step.scorer.width;
  const std::size_t kept = kept_bytes(step.rows, step.scorer.width);
  const std::size_t theirs = soft ? kept_bytes(step.rows, soft->scorer.width) : 0;
  const std::size_t scratch = training_.words_scratch(step);
  char* packed = weights(2 * kept + theirs);
  const WordOperands operands{packed, packed + kept, soft ? packed + 2 * kept : nullptr};
  const Scratch pairs(kept, pool_);
  training_.enter();
  training_.prepare_words(step.scorer, step.rows, packed, packed + kept, pairs.of(0));
  if (soft) training_.prepare_words(soft->scorer, step.rows, packed + 2 * kept, nullptr, nullptr);
  training_.leave();
  AllWordSums sums(step, threads);
  over_words(training_, pool_, step, scratch, [&](int first, int thread, char* own) {
    training_.score_words(step, operands.packed, operands.packed_theirs, first, own,
                          sums.of(thread));
  });
  const WordSums total = sums.total();
  if (!step.grades) return;
  const std::vector<float> zeros(step.scorer.width), ones(step.scorer.width, 1.0f);
  std::vector<float> grads(numbers * threads);
  over_words(training_, pool_, step, scratch, [&](int first, int thread, char* own) {
    training_.word_gradients(step, operands, total, first, own, {zeros.data(), ones.data()},
                             grads.data() + numbers * thread);
  });
  std::copy_n(grads.data(), numbers, step.to_x);
  for (int thread = 1; thread < threads; ++thread)
    for (std::size_t i = 0; i < numbers; ++i) step.to_x[i] += grads[numbers * thread + i];
}

}  // namespace mobilebert
