// Attention of training, forward and back, over several texts at a time: lengths around the edges
// of tiles, flat and steep scores, and with a share of the probabilities dropped.
//
// Which ones are dropped is found by values that are 1 at one key and 0 at the others: the context
// is then the probability of that key. The gradients must have dropped the same ones.
//
//   ./test_trained_attention     (built and run by run.sh)
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "trained_steps.h"

namespace {

// bfloat16 rounds by up to 2**-8: probabilities, their gradients, and the results. Measured worst
// 4.7e-3.
constexpr double kBfloat16Bound = 8e-3;
// Of a score of 1, when it is the exponent of a probability: 2**-24 and a few roundings.
constexpr double kScoreBound = 3e-7;
// Powers of two are off by up to 8e-5 of themselves, the logarithms of their sums by 1.2e-4:
// measured worst 1.7e-5.
constexpr double kLogBound = 2e-4;
// Of 14698 probabilities, of which some more or less than wanted are dropped: by 4 standard
// deviations of a half, 4.1e-3 each.
constexpr double kShareBound = 0.017;

// Texts of 1, 7, 31, 32, 33 and 65 tokens.
const std::vector<std::int32_t> kStarts{0, 1, 8, 39, 71, 104, 169};
constexpr int kHeads = 2, kTokens = 169, kLongest = 65, kAll = 65536;

struct AttentionShape {
  int head;
  float steepness;
  unsigned dropped;
  std::uint64_t seed;
};

struct AttentionCase : AttentionShape {
  std::vector<std::int32_t> starts = kStarts;
  int tokens = kTokens;
  Floats queries, keys, values, grad;  // [tokens][heads][head]
  std::vector<char> left;              // [tokens][heads][longest]: whether it was not dropped

  explicit AttentionCase(const AttentionShape& shape)
      : AttentionShape(shape),
        queries(rounded_numbers(size(), steepness)),
        keys(rounded_numbers(size())),
        values(rounded_numbers(size())),
        grad(rounded_numbers(size())),
        left(static_cast<std::size_t>(kTokens) * kHeads * kLongest, 1) {}

  std::size_t size() const { return static_cast<std::size_t>(tokens) * kHeads * head; }
  std::size_t at(int token, int number) const {
    return static_cast<std::size_t>(token) * kHeads * head + number;
  }
  char& left_at(int token, int number, int key) {
    return left[(static_cast<std::size_t>(token) * kHeads + number) * kLongest + key];
  }
  double scale() const { return 1 / std::log(2) / std::sqrt(head); }
  double kept() const { return static_cast<double>(kAll) / (kAll - dropped); }

  std::string name() const {
    return "attention with heads of " + std::to_string(head) + ", steepness " +
           std::to_string(static_cast<int>(steepness)) + ", dropped " + std::to_string(dropped);
  }
  // Whole panels, more of them than the texts have.
  void spoil() {
    starts = {0, 2 * kPanel, tokens = 2 * kPanel + 128};
    for (Floats* all : {&queries, &keys, &values, &grad}) all->assign(size(), kNan);
  }
  std::vector<Operand> operands() {
    return {{"queries", &queries, 4, 3},
            {"keys", &keys, 4, 3},
            {"values", &values, 2, 3},
            {"grad", &grad, 2, 3}};
  }

  Narrow joint() const {
    Narrow all;
    const std::size_t width = at(1, 0);
    for (int token = 0; token < tokens; ++token)
      for (const Floats* part : {&queries, &keys, &values}) {
        const auto from = part->begin() + at(token, 0);
        const Narrow narrow = bfloat16_bits(Floats(from, from + width));
        all.insert(all.end(), narrow.begin(), narrow.end());
      }
    return all;
  }
  Heads heads(const Narrow& joint) const {
    Heads step{};
    step.starts = starts.data(), step.texts = static_cast<int>(starts.size()) - 1;
    step.heads = kHeads, step.head = head, step.scale = static_cast<float>(scale());
    step.seed = seed, step.dropped = dropped, step.kept = static_cast<float>(kept());
    step.joint = joint.data();
    return step;
  }

  Floats context(Trainer& trainer, const Narrow& joint, Floats& log_sums) const {
    Narrow context(size(), kNarrowNan);
    log_sums = unwritten(static_cast<std::size_t>(tokens) * kHeads);
    TrainedAttention step{};
    static_cast<Heads&>(step) = heads(joint);
    step.context = context.data(), step.log_sums = log_sums.data();
    trainer.run(step);
    return from_bfloat16(context);
  }

  std::vector<Floats> run(Trainer& trainer) const {
    const Narrow parts = joint(), narrow_grad = bfloat16_bits(grad);
    Floats log_sums;
    const Floats found = context(trainer, parts, log_sums);
    Narrow to_joint(parts.size(), kNarrowNan);
    TrainedAttentionGradient step{};
    static_cast<Heads&>(step) = heads(parts);
    step.grad = narrow_grad.data(), step.log_sums = log_sums.data();
    step.to_joint = to_joint.data();
    trainer.run(step);
    Floats to[3];
    const std::size_t width = at(1, 0);
    for (std::size_t i = 0; i < to_joint.size(); ++i)
      to[i / width % 3].push_back(from_bfloat16(to_joint[i]));
    return {found, log_sums, to[0], to[1], to[2]};
  }

  double dot(const Floats& a, int i, const Floats& b, int j, int number) const {
    double sum = 0;
    for (int d = number * head; d < (number + 1) * head; ++d)
      sum += double(a[at(i, d)]) * b[at(j, d)];
    return sum;
  }

  std::vector<Result> results() {
    Doubles context(size()), log_sums, to_queries(size()), to_keys(size()), to_values(size());
    double largest = 0;
    for (std::size_t text = 0; text + 1 < starts.size(); ++text)
      for (int token = starts[text]; token < starts[text + 1]; ++token)
        for (int number = 0; number < kHeads; ++number) {
          const int first = starts[text], length = starts[text + 1] - first;
          Doubles p(length), to_p(length);
          double top = -HUGE_VAL, sum = 0, mean = 0;
          for (int key = 0; key < length; ++key) {
            p[key] = scale() * dot(queries, token, keys, first + key, number);
            largest = std::max(largest, std::fabs(p[key]));
            top = std::max(top, p[key]);
          }
          for (double& x : p) sum += x = std::exp2(x - top);
          log_sums.push_back(top + std::log2(sum));
          for (int key = 0; key < length; ++key) {
            const double factor = left_at(token, number, key) ? kept() : 0;
            p[key] /= sum;
            to_p[key] = factor * dot(grad, token, values, first + key, number);
            mean += p[key] * to_p[key];
            for (int d = number * head; d < (number + 1) * head; ++d) {
              context[at(token, d)] += factor * p[key] * values[at(first + key, d)];
              to_values[at(first + key, d)] += factor * p[key] * grad[at(token, d)];
            }
          }
          for (int key = 0; key < length; ++key) {
            const double to_score = p[key] * (to_p[key] - mean) / std::sqrt(head);
            for (int d = number * head; d < (number + 1) * head; ++d) {
              to_queries[at(token, d)] += to_score * keys[at(first + key, d)];
              to_keys[at(first + key, d)] += to_score * queries[at(token, d)];
            }
          }
        }
    const double bound = kScoreBound * largest + kBfloat16Bound;
    return {{"context", context, bound, {&queries, &keys, &values}},
            {"log sums", log_sums, kLogBound, {&queries, &keys}},
            {"to queries", to_queries, bound, {&queries, &keys, &values, &grad}},
            {"to keys", to_keys, bound, {&queries, &keys, &values, &grad}},
            {"to values", to_values, bound, {&queries, &keys, &grad}}};
  }
};

void expect(bool holds, const std::string& what) {
  ++comparisons;
  if (holds) return;
  ++failures;
  std::printf("%s: %s\n", path.c_str(), what.c_str());
}

// Finds what is left, by the contexts of values that are 1 at one key of each text for each number
// of a head.
void find_left(Trainer& trainer, AttentionCase& c) {
  AttentionCase one = c;
  for (int from = 0; from < kLongest; from += c.head) {
    std::fill(one.values.begin(), one.values.end(), 0.0f);
    for (std::size_t text = 0; text + 1 < kStarts.size(); ++text)
      for (int key = from; key < kStarts[text + 1] - kStarts[text] && key < from + c.head; ++key)
        for (int number = 0; number < kHeads; ++number)
          one.values[c.at(kStarts[text] + key, number * c.head + key - from)] = 1;
    Floats log_sums;
    const Floats context = one.context(trainer, one.joint(), log_sums);
    for (int token = 0; token < kTokens; ++token)
      for (int number = 0; number < kHeads; ++number)
        for (int key = from; key < kLongest && key < from + c.head; ++key)
          c.left_at(token, number, key) = context[c.at(token, number * c.head + key - from)] != 0;
  }
}

// Where a probability is, seen from another of the same text.
struct Neighbour {
  const char* name;
  int token, number, key;
};
constexpr Neighbour kItself{"itself", 0, 0, 0};

// Of all probabilities that have such a neighbour, the share that is dropped with it.
double share_dropped(AttentionCase& c, const Neighbour& neighbour = kItself) {
  long all = 0, dropped = 0;
  for (std::size_t text = 0; text + 1 < kStarts.size(); ++text) {
    const int first = kStarts[text], end = kStarts[text + 1];
    for (int token = first; token + neighbour.token < end; ++token)
      for (int number = 0; number + neighbour.number < kHeads; ++number)
        for (int key = 0; key + neighbour.key < end - first; ++key, ++all)
          dropped += !c.left_at(token, number, key) &&
                     !c.left_at(token + neighbour.token, number + neighbour.number,
                                key + neighbour.key);
  }
  return static_cast<double>(dropped) / all;
}

void expect_share(double found, double wanted, const std::string& what) {
  expect(std::fabs(found - wanted) < kShareBound,
         "dropped " + std::to_string(found) + ", not " + std::to_string(wanted) + ": " + what);
}

void test_seeds(Trainer& trainer, AttentionCase& c) {
  const double wanted = static_cast<double>(c.dropped) / kAll;
  const Narrow joint = c.joint();
  Floats log_sums;
  const Floats first = c.context(trainer, joint, log_sums);
  expect(first == c.context(trainer, joint, log_sums), "one seed gives two contexts");
  for (std::uint64_t bit : {std::uint64_t{1}, std::uint64_t{1} << 32}) {
    AttentionCase other = c;
    other.seed ^= bit;
    expect(first != other.context(trainer, joint, log_sums), "two seeds give one context");
    find_left(trainer, other);
    for (std::size_t i = 0; i < c.left.size(); ++i) other.left[i] |= c.left[i];
    expect_share(share_dropped(other), wanted * wanted, "with both of two seeds");
  }
}

// Each probability is dropped by itself.
void test_dropped(Trainer& trainer, const AttentionShape& shape) {
  AttentionCase c(shape);
  find_left(trainer, c);
  const double wanted = static_cast<double>(c.dropped) / kAll;
  expect_share(share_dropped(c), wanted, "of all");
  for (const Neighbour& neighbour :
       {Neighbour{"the next query's", 1, 0, 0}, Neighbour{"the next head's", 0, 1, 0},
        Neighbour{"the next key's", 0, 0, 1}, Neighbour{"the next but 15", 0, 0, 16},
        Neighbour{"the next panel's", 0, 0, kPanel}})
    expect_share(share_dropped(c, neighbour), wanted * wanted, neighbour.name);
  test_seeds(trainer, c);
  check(trainer, c, c);

  // The twin: with another seed neither context nor gradients are those of what is left.
  AttentionCase other = c;
  other.seed ^= 1;
  const std::vector<Result> results = c.results();
  const std::vector<Floats> found = other.run(trainer);
  for (std::size_t i = 0; i < results.size(); ++i)
    compare(found[i], results[i].wanted, results[i].bound,
            c.name() + ": " + results[i].name + ", another seed",
            results[i].name == std::string("log sums"));
}

void test_attentions(Trainer& trainer, bool brief) {
  for (int head : {32, 64})
    for (float steepness : {1.0f, 20.0f}) {
      const AttentionCase c({head, steepness, 0, 1});
      check(trainer, c, c);
    }
  if (brief) return;
  for (int head : {32, 64})
    for (unsigned dropped : {kAll / 10u, kAll / 2u})
      test_dropped(trainer, {head, 1, dropped, 0x0123456789abcdefull + head});
}

}  // namespace

int main(int count, char**) { return test_trainers("attention", test_attentions, count > 1); }
