// The loss of masked words and its gradients: vocabularies that are no whole panels, of one block
// of words and of several; word tables with an extension and without.
//
//   ./test_trained_vocabulary     (built and run by run.sh)
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "plain_matrix.h"
#include "trained_steps.h"

namespace {

// The kernel's powers of two are off by up to 8e-5 of themselves, and so is their sum: measured
// worst 1.4e-5.
constexpr double kLossBound = 1e-4;
// Sums of probabilities, which are such powers over their sum: measured worst 9.9e-5.
constexpr double kBiasBound = 2e-4;
// Probabilities are rounded to bfloat16, by up to 2**-8, before they meet words or rows: measured
// worst 2.0e-3.
constexpr double kGradientBound = 4e-3;

// Rows are scored 512 at a time.
constexpr int kManyRows = 530;

struct VocabularyShape {
  int rows, width, embedding, words;
  bool grades;
  // Of a teacher: what the right words count beside it, and the temperature; 1 and 0 without one.
  float hard_share = 1, temperature = 0;
};

// The teacher is narrower than the student.
constexpr int kTheirWidth = 64, kTheirEmbedding = 32;

struct VocabularyCase : VocabularyShape {
  Floats x, table, extension, bias, labels;
  Floats x_theirs, table_theirs, extension_theirs, bias_theirs;

  explicit VocabularyCase(const VocabularyShape& shape)
      : VocabularyShape(shape),
        x(rounded_numbers(static_cast<std::size_t>(rows) * width, 0.5f)),
        table(rounded_numbers(static_cast<std::size_t>(words) * embedding)),
        extension(rounded_numbers(static_cast<std::size_t>(width - embedding) * words)),
        bias(numbers.floats(words)),
        labels(rows) {
    if (teaches()) {
      x_theirs = rounded_numbers(static_cast<std::size_t>(rows) * kTheirWidth, 0.5f);
      table_theirs = rounded_numbers(static_cast<std::size_t>(words) * kTheirEmbedding);
      extension_theirs =
          rounded_numbers(static_cast<std::size_t>(kTheirWidth - kTheirEmbedding) * words);
      bias_theirs = numbers.floats(words);
    }
    // All over the vocabulary, the last word among them; the first one can move.
    for (int row = 1; row < rows; ++row) labels[row] = (row % 7 ? row * 37 : words - 1) % words;
  }

  bool teaches() const { return temperature > 0; }

  std::string name() const {
    return "vocabulary of " + std::to_string(words) + ", " + std::to_string(rows) + " rows, " +
           std::to_string(embedding) + " of " + std::to_string(width) +
           (teaches() ? ", a teacher at " + std::to_string(temperature) : "");
  }
  void spoil() {
    x.assign(x.size(), kNan);
    x_theirs.assign(x_theirs.size(), kNan);
  }
  // Of the table another column for each word: all scores of a row moved alike change nothing.
  std::vector<Operand> operands() {
    std::vector<Operand> all{{"x", &x, 2, kPanel},
                             {"table", &table, 4, 7},
                             {"bias", &bias, 8, kPanel},
                             {"labels", &labels, 1, rows}};
    if (!extension.empty()) all.push_back({"extension", &extension, 4, 7});
    if (hard_share == 0) all.erase(all.begin() + 3);  // the right words do not count
    if (!teaches() || hard_share == 1) return all;
    all.push_back({"their x", &x_theirs, 4, kPanel});
    all.push_back({"their table", &table_theirs, 4, 7});
    all.push_back({"their extension", &extension_theirs, 4, 7});
    all.push_back({"their bias", &bias_theirs, 8, kPanel});
    return all;
  }

  // Row by row: the table's and the extension's numbers of each word, side by side.
  static Matrix joint(const Floats& table, const Floats& extension, int words, int embedding,
                      int width) {
    const Matrix own(table, words, embedding), more(extension, width - embedding, words);
    return beside(own, transposed(more));
  }

  // Probabilities of a row of scores divided by a temperature; returns the logarithm of their sum.
  static double soften(Matrix& scores, int row, int words, double by) {
    double top = scores.at(row, 0) / by, sum = 0;
    for (int word = 0; word < words; ++word) top = std::max(top, scores.at(row, word) / by);
    for (int word = 0; word < words; ++word) sum += std::exp(scores.at(row, word) / by - top);
    for (int word = 0; word < words; ++word)
      scores.at(row, word) = std::exp(scores.at(row, word) / by - top) / sum;
    return top + std::log(sum);
  }

  std::vector<Result> results() const {
    const Matrix rows_in(x, rows, width), by = joint(table, extension, words, embedding, width);
    const Matrix scores = projected(rows_in, by, bias);
    Matrix grads = scores, soft = scores, theirs = scores;
    if (teaches())
      theirs = projected(Matrix(x_theirs, rows, kTheirWidth),
                         joint(table_theirs, extension_theirs, words, kTheirEmbedding, kTheirWidth),
                         bias_theirs);
    Doubles losses(rows);
    const double hard = hard_share, warm = temperature;
    for (int row = 0; row < rows; ++row) {
      const int label = static_cast<int>(labels[row]);
      losses[row] = hard * (soften(grads, row, words, 1) - scores.at(row, label));
      for (int word = 0; word < words; ++word)
        grads.at(row, word) = hard * (grads.at(row, word) - (word == label));
      if (!teaches()) continue;
      const double log_sum = soften(soft, row, words, warm);
      soften(theirs, row, words, warm);
      double mean = 0;
      for (int word = 0; word < words; ++word) {
        mean += theirs.at(row, word) * scores.at(row, word) / warm;
        grads.at(row, word) += (1 - hard) * warm * (soft.at(row, word) - theirs.at(row, word));
      }
      losses[row] += (1 - hard) * warm * warm * (log_sum - mean);
    }
    std::vector<const Floats*> all{&x, &table, &extension, &bias};
    if (hard > 0) all.push_back(&labels);
    if (teaches() && hard < 1)
      all.insert(all.end(), {&x_theirs, &table_theirs, &extension_theirs, &bias_theirs});
    std::vector<Result> wanted{{"losses", losses, kLossBound, all}};
    if (!grades) return wanted;
    const Matrix to_table = product(transposed(grads), rows_in);
    wanted.push_back({"to x", product(grads, by).numbers, kGradientBound, all});
    wanted.push_back({"to table", columns(to_table, 0, embedding).numbers, kGradientBound, all});
    wanted.push_back({"to bias", row_sums(grads), kBiasBound, all});
    if (width > embedding)
      wanted.push_back({"to extension", transposed(columns(to_table, embedding, width)).numbers,
                        kGradientBound, all});
    return wanted;
  }

  std::vector<Floats> run(Trainer& trainer) const {
    const std::vector<std::int32_t> words_of_rows(labels.begin(), labels.end());
    Floats losses = unwritten(rows), to_x, to_table, to_extension, to_bias;
    if (grades) {
      to_x = unwritten(x.size()), to_table = unwritten(table.size());
      to_extension = unwritten(extension.size()), to_bias = unwritten(words);
    }
    const SoftTargets soft{{kTheirWidth, kTheirEmbedding, x_theirs.data(), table_theirs.data(),
                            extension_theirs.data(), bias_theirs.data()},
                           hard_share,
                           temperature};
    trainer.run(
        Vocabulary{rows,
                   words,
                   {width, embedding, x.data(), table.data(), extension.data(), bias.data()},
                   words_of_rows.data(),
                   teaches() ? &soft : nullptr,
                   losses.data(),
                   to_x.data(),
                   to_table.data(),
                   to_extension.data(),
                   to_bias.data(),
                   grades});
    if (!grades) return {losses};
    std::vector<Floats> found{losses, to_x, to_table, to_bias};
    if (width > embedding) found.push_back(to_extension);
    return found;
  }
};

void test_shape(Trainer& trainer, const VocabularyShape& shape, bool brief) {
  VocabularyShape spoiled = shape;
  spoiled.rows = brief ? 2 * kPanel : kManyRows + 64;
  check(trainer, VocabularyCase(spoiled), VocabularyCase(shape));
}

void test_vocabularies(Trainer& trainer, bool brief) {
  // Below one panel, below one block, one block, one more word, some blocks and a rest.
  const std::vector<int> words{20, 100, kWordsAtOnce, kWordsAtOnce + 1, 300, 3 * kWordsAtOnce + 45};
  const std::vector<int> rows{1, 16, 31, 32, 33, kManyRows};
  for (std::size_t i = 0; i < words.size(); ++i)
    for (std::size_t j : {i, (i + 3) % rows.size()})
      for (int embedding : {32, 96})
        for (bool grades : {false, true}) {
          if (brief && (words[i] != 300 || rows[j] > 33)) continue;
          const VocabularyShape shape{rows[j], 96, embedding, words[i], grades};
          test_shape(trainer, shape, brief);
          if (i % 2 || brief) continue;
          for (const auto& [share, temperature] :
               {std::pair{0.5f, 1.0f}, {0.0f, 1.0f}, {0.3f, 2.5f}}) {
            VocabularyShape taught = shape;
            taught.hard_share = share, taught.temperature = temperature;
            test_shape(trainer, taught, brief);
          }
        }
}

}  // namespace

int main(int count, char**) { return test_trainers("vocabulary", test_vocabularies, count > 1); }
