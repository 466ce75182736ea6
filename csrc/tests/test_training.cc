// Steps of training that go row by row, forward and back: projections, feed-forward networks, and
// the entry to attention; numbers of rows around the edges of tiles, blocks and threads' shares.
//
//   ./test_training     (built and run by run.sh)
#include <string>
#include <vector>

#include "plain_matrix.h"
#include "trained_steps.h"

namespace {

// bfloat16 rounds by up to 2**-8: what is between two products, and results in bfloat16. Measured
// worst 4.0e-3.
constexpr double kBfloat16Bound = 6e-3;

// A whole block for each of three threads.
constexpr int kSpoiledRows = 3 * kRowsAtOnce;

std::size_t size_of(int height, int width) { return static_cast<std::size_t>(height) * width; }

// Projections. Rows are in float32 or in bfloat16, x and the gradients by x alike; gradients by x
// and by the residual may not be wanted.

enum class Wants { kToX, kToResidual, kBoth };

struct ProjectionShape {
  int rows, in, out;
  bool narrow;
  Wants wants;
};

struct ProjectionCase : ProjectionShape {
  Floats x, weight, bias, factor, residual, grad;

  explicit ProjectionCase(const ProjectionShape& shape)
      : ProjectionShape(shape),
        x(rounded_numbers(size_of(rows, in))),
        weight(rounded_numbers(size_of(out, in))),
        bias(numbers.floats(out)),
        factor(numbers.floats(out)),
        residual(numbers.floats(size_of(rows, out))),
        grad(rounded_numbers(size_of(rows, out))) {}

  std::string name() const {
    return "projection of " + std::to_string(rows) + " rows, " + std::to_string(in) + " to " +
           std::to_string(out) + (narrow ? ", bfloat16" : "");
  }
  void spoil() {
    x.assign(x.size(), kNan);
    grad.assign(grad.size(), kNan);
  }
  std::vector<Operand> operands() {
    return {{"x", &x, 2, kPanel},
            {"weight", &weight, 2, kPanel},
            {"bias", &bias, 2, kPanel},
            {"factor", &factor, 2, kPanel},
            {"residual", &residual, 2, kPanel},
            {"grad", &grad, 2, kPanel}};
  }

  std::vector<Result> results() const {
    const Matrix rows_in(x, rows, in), by(weight, out, in), beside(residual, rows, out),
        g(grad, rows, out);
    std::vector<Result> all{
        {"result", with_scaled(projected(rows_in, by, bias), factor, beside).numbers, kExactBound,
         {&x, &weight, &bias, &factor, &residual}},
        {"weight", product(transposed(g), rows_in).numbers, kExactBound, {&grad, &x}},
        {"sums", row_sums(g), kExactBound, {&grad}},
        {"residual sums", row_sums(g, &beside), kExactBound, {&grad, &residual}}};
    if (wants != Wants::kToResidual)
      all.push_back({"to x", product(g, by).numbers, narrow ? kBfloat16Bound : kExactBound,
                     {&grad, &weight}});
    if (wants != Wants::kToX)
      all.push_back({"to residual", with_scaled(Matrix(rows, out), factor, g).numbers, kExactBound,
                     {&grad, &factor}});
    return all;
  }

  std::vector<Floats> run(Trainer& trainer) const {
    const Narrow narrow_x = bfloat16_bits(x);
    const Kept kept(rows, in);
    Floats result = unwritten(residual.size()), to_x = unwritten(x.size()),
           to_residual = unwritten(residual.size()), to_weight = unwritten(weight.size()),
           sums = unwritten(out), residual_sums = unwritten(out);
    Narrow narrow_to_x(x.size(), kNarrowNan);
    const RowsIn given{narrow ? nullptr : x.data(), narrow ? narrow_x.data() : nullptr};
    trainer.run(Projection{rows, in, out, given, weight.data(), bias.data(), factor.data(),
                           residual.data(), result.data(), kept.data()});
    RowsOut wanted{nullptr, nullptr};
    if (wants != Wants::kToResidual)
      wanted = {narrow ? nullptr : to_x.data(), narrow ? narrow_to_x.data() : nullptr};
    trainer.run(ProjectionGradient{rows, in, out, grad.data(), weight.data(), factor.data(),
                                   residual.data(), kept.data(), wanted,
                                   wants == Wants::kToX ? nullptr : to_residual.data(),
                                   to_weight.data(), sums.data(), residual_sums.data()});
    std::vector<Floats> found{result, to_weight, sums, residual_sums};
    if (wants != Wants::kToResidual)
      found.push_back(narrow ? from_bfloat16(narrow_to_x) : to_x);
    if (wants != Wants::kToX) found.push_back(to_residual);
    return found;
  }
};

// Feed-forward networks.

struct FeedForwardShape {
  int rows, narrow, wide;
};

struct FeedForwardCase : FeedForwardShape {
  Floats x, weight, bias, folded, folded_bias, factor, grad;

  explicit FeedForwardCase(const FeedForwardShape& shape)
      : FeedForwardShape(shape),
        x(rounded_numbers(size_of(rows, narrow))),
        weight(rounded_numbers(size_of(wide, narrow))),
        bias(rounded_numbers(wide)),
        folded(rounded_numbers(size_of(narrow, wide))),
        folded_bias(numbers.floats(narrow)),
        factor(numbers.floats(narrow)),
        grad(rounded_numbers(size_of(rows, narrow))) {}

  std::string name() const {
    return "feed-forward network of " + std::to_string(rows) + " rows, " + std::to_string(narrow) +
           " and " + std::to_string(wide);
  }
  void spoil() {
    x.assign(x.size(), kNan);
    grad.assign(grad.size(), kNan);
  }
  // The bias moves far enough to make what was not above 0 pass, and what is folded in enough
  // places to meet what passes.
  std::vector<Operand> operands() {
    return {{"x", &x, 2, kPanel},
            {"weight", &weight, 2, kPanel},
            {"bias", &bias, 32, 2},
            {"folded", &folded, 2, 2},
            {"folded bias", &folded_bias, 2, kPanel},
            {"factor", &factor, 2, kPanel},
            {"grad", &grad, 2, kPanel}};
  }

  std::vector<Result> results() const {
    const Matrix rows_in(x, rows, narrow), to_wide(weight, wide, narrow),
        to_narrow(folded, narrow, wide), g(grad, rows, narrow);
    Matrix made = projected(rows_in, to_wide, bias), to_made = product(g, to_narrow);
    for (std::size_t i = 0; i < made.numbers.size(); ++i) {
      if (made.numbers[i] > 0) continue;
      made.numbers[i] = to_made.numbers[i] = 0;
    }
    return {{"result",
             with_scaled(projected(made, to_narrow, folded_bias), factor, rows_in).numbers,
             kBfloat16Bound,
             {&x, &weight, &bias, &folded, &folded_bias, &factor}},
            {"to x", with_scaled(product(to_made, to_wide), factor, g).numbers, kBfloat16Bound,
             {&grad, &x, &weight, &bias, &folded, &factor}},
            {"to weight", product(transposed(to_made), rows_in).numbers, kBfloat16Bound,
             {&grad, &x, &weight, &bias, &folded}},
            {"to bias", row_sums(to_made), kBfloat16Bound, {&grad, &x, &weight, &bias, &folded}},
            {"to folded", product(transposed(g), made).numbers, kBfloat16Bound,
             {&grad, &x, &weight, &bias}},
            {"sums", row_sums(g), kExactBound, {&grad}},
            {"x sums", row_sums(g, &rows_in), kExactBound, {&grad, &x}}};
  }

  std::vector<Floats> run(Trainer& trainer) const {
    const Kept kept_x(rows, narrow), kept_wide(rows, wide);
    Floats result = unwritten(x.size()), to_x = unwritten(x.size()),
           to_weight = unwritten(weight.size()), to_bias = unwritten(wide),
           to_folded = unwritten(folded.size()), sums = unwritten(narrow),
           x_sums = unwritten(narrow);
    trainer.run(FeedForward{rows, narrow, wide, x.data(), weight.data(), bias.data(),
                            folded.data(), folded_bias.data(), factor.data(), result.data(),
                            kept_x.data(), kept_wide.data()});
    trainer.run(FeedForwardGradient{rows, narrow, wide, grad.data(), weight.data(), folded.data(),
                                    factor.data(), kept_x.data(), kept_wide.data(), to_x.data(),
                                    to_weight.data(), to_bias.data(), to_folded.data(),
                                    sums.data(), x_sums.data()});
    return {result, to_x, to_weight, to_bias, to_folded, sums, x_sums};
  }
};

// The entry to attention.

struct EntryShape {
  int rows, stream, narrow, query_key, value;
};

struct EntryCase : EntryShape {
  Floats x, own, own_bias, shared, shared_bias, query_key_weight, query_key_bias, value_weight,
      value_bias, to_residual, to_joint;

  explicit EntryCase(const EntryShape& shape)
      : EntryShape(shape),
        x(rounded_numbers(size_of(rows, stream))),
        own(rounded_numbers(size_of(narrow, stream))),
        own_bias(numbers.floats(narrow)),
        shared(rounded_numbers(size_of(narrow, stream))),
        shared_bias(numbers.floats(narrow)),
        query_key_weight(rounded_numbers(size_of(query_key, narrow))),
        query_key_bias(numbers.floats(query_key)),
        value_weight(rounded_numbers(size_of(value, stream))),
        value_bias(numbers.floats(value)),
        to_residual(rounded_numbers(size_of(rows, narrow))),
        to_joint(rounded_numbers(size_of(rows, query_key + value))) {}

  std::string name() const {
    return "entry of " + std::to_string(rows) + " rows, " + std::to_string(stream) + " to " +
           std::to_string(narrow);
  }
  void spoil() {
    for (Floats* all : {&x, &to_residual, &to_joint}) all->assign(all->size(), kNan);
  }
  std::vector<Operand> operands() {
    return {{"x", &x, 2, kPanel},
            {"own", &own, 2, kPanel},
            {"own bias", &own_bias, 2, kPanel},
            {"shared", &shared, 2, kPanel},
            {"shared bias", &shared_bias, 2, kPanel},
            {"query and key", &query_key_weight, 2, kPanel},
            {"query and key bias", &query_key_bias, 2, kPanel},
            {"value", &value_weight, 4, kPanel},
            {"value bias", &value_bias, 2, kPanel},
            {"to residual", &to_residual, 2, kPanel},
            {"to joint", &to_joint, 2, kPanel}};
  }

  std::vector<Result> results() const {
    const Matrix rows_in(x, rows, stream), by_own(own, narrow, stream),
        by_shared(shared, narrow, stream), by_query_key(query_key_weight, query_key, narrow),
        by_value(value_weight, value, stream), to_own(to_residual, rows, narrow),
        all(to_joint, rows, query_key + value);
    const Matrix made = projected(rows_in, by_shared, shared_bias);
    const Matrix to_query_key = columns(all, 0, query_key),
                 to_value = columns(all, query_key, query_key + value);
    const Matrix readers = beside(beside(to_value, product(to_query_key, by_query_key)), to_own);
    const Matrix by_readers = transposed(
        beside(beside(transposed(by_value), transposed(by_shared)), transposed(by_own)));
    return {{"residual", projected(rows_in, by_own, own_bias).numbers, kExactBound,
             {&x, &own, &own_bias}},
            {"joint",
             beside(projected(made, by_query_key, query_key_bias),
                    projected(rows_in, by_value, value_bias))
                 .numbers,
             kBfloat16Bound,
             {&x, &shared, &shared_bias, &query_key_weight, &query_key_bias, &value_weight,
              &value_bias}},
            {"to x", product(readers, by_readers).numbers, kBfloat16Bound,
             {&to_residual, &to_joint, &own, &shared, &query_key_weight, &value_weight}},
            {"to readers", product(transposed(readers), rows_in).numbers, kBfloat16Bound,
             {&to_residual, &to_joint, &x, &query_key_weight}},
            {"to query and key", product(transposed(to_query_key), made).numbers, kBfloat16Bound,
             {&to_joint, &x, &shared, &shared_bias}},
            {"reader sums", row_sums(readers), kBfloat16Bound,
             {&to_residual, &to_joint, &query_key_weight}},
            {"query and key sums", row_sums(to_query_key), kExactBound, {&to_joint}}};
  }

  std::vector<Floats> run(Trainer& trainer) const {
    const Kept kept_x(rows, stream), kept_narrow(rows, narrow);
    const Narrow narrow_to_joint = bfloat16_bits(to_joint);
    Floats residual = unwritten(to_residual.size()), to_x = unwritten(x.size()),
           to_readers = unwritten(size_of(value + 2 * narrow, stream)),
           to_query_key = unwritten(query_key_weight.size()),
           reader_sums = unwritten(value + 2 * narrow), query_key_sums = unwritten(query_key);
    Narrow joint(to_joint.size(), kNarrowNan);
    trainer.run(Entry{rows, stream, narrow, query_key, value, x.data(), own.data(),
                      own_bias.data(), shared.data(), shared_bias.data(), query_key_weight.data(),
                      query_key_bias.data(), value_weight.data(), value_bias.data(),
                      residual.data(), joint.data(), kept_x.data(), kept_narrow.data()});
    trainer.run(EntryGradient{rows, stream, narrow, query_key, value, to_residual.data(),
                              narrow_to_joint.data(), own.data(), shared.data(),
                              query_key_weight.data(), value_weight.data(), kept_x.data(),
                              kept_narrow.data(), to_x.data(), to_readers.data(),
                              to_query_key.data(), reader_sums.data(), query_key_sums.data()});
    return {residual, from_bfloat16(joint), to_x, to_readers, to_query_key, reader_sums,
            query_key_sums};
  }
};

template <class Case, class Shape>
void check_rows(Trainer& trainer, Shape shape) {
  Shape spoiled = shape;
  spoiled.rows = kSpoiledRows;
  check(trainer, Case(spoiled), Case(shape));
}

void test_rows(Trainer& trainer, bool brief) {
  const std::vector<int> few{33}, all{1, 16, 31, 32, 33, kRowsAtOnce + 1, 300};
  for (int rows : brief ? few : all) {
    for (bool narrow : {false, true}) {
      check_rows<ProjectionCase>(trainer, ProjectionShape{rows, 96, 32, narrow, Wants::kBoth});
      check_rows<ProjectionCase>(trainer, ProjectionShape{rows, 32, 128, narrow, Wants::kToX});
      check_rows<ProjectionCase>(trainer,
                                 ProjectionShape{rows, 64, 64, narrow, Wants::kToResidual});
    }
    check_rows<FeedForwardCase>(trainer, FeedForwardShape{rows, 32, 128});
    check_rows<FeedForwardCase>(trainer, FeedForwardShape{rows, 96, 64});
    check_rows<EntryCase>(trainer, EntryShape{rows, 128, 32, 64, 32});
    check_rows<EntryCase>(trainer, EntryShape{rows, 64, 96, 64, 96});
  }
}

}  // namespace

int main(int count, char**) { return test_trainers("rows", test_rows, count > 1); }
