// Python's view of steps of training: sizes are checked here, and the GIL is released around the
// work.
#include "training_bindings.h"

#include <nanobind/stl/string.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "cpu.h"
#include "kernels.h"
#include "python_arrays.h"
#include "training.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace mobilebert {
namespace {

using Matrix = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Kept = nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using NarrowRows = nb::ndarray<const std::uint16_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using NarrowResults = nb::ndarray<std::uint16_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// Threads of a pool sleep between calls, and are shared by all that ask for as many. They do not
// live on in a forked process, which has pools of its own.
Pool& pool_of(int threads) {
  static std::mutex mutex;
  using Owner = std::pair<long, int>;                                // process and threads
  static auto& pools = *new std::map<Owner, std::unique_ptr<Pool>>;  // until the process ends
  std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<Pool>& pool = pools[{getpid(), threads}];
  if (!pool) pool.reset(new Pool(threads));
  return *pool;
}

const Training* find_training(const std::string& isa) {
  for (const Kernels* kernels : available_kernels())
    if (isa == kernels->name) return kernels->training;
  return nullptr;
}

const Training& training_of(const std::string& isa) {
  if (const Training* found = find_training(isa)) return *found;
  refuse("This processor cannot train with " + isa + ".");
}

// Matrices of one step, whose sizes have to go together.
int width(std::size_t found, const char* name) {
  if (!found || found % kPanel || found > 1u << 16)
    refuse(std::string(name) + " is " + std::to_string(found) +
           " wide; it has to be a multiple of " + std::to_string(kPanel) + ".");
  return static_cast<int>(found);
}

template <class Array>
auto* rows_of(const Array& array, std::size_t rows, std::size_t width, const char* name) {
  check_size(array.size(), rows * width, name);
  check_aligned(array, name);
  return array.data();
}

template <class Array>
auto* vector_of(const Array& array, std::size_t size, const char* name) {
  return rows_of(array, 1, size, name);
}

void* kept_of(const Kept& kept, int rows, int width, const char* name) {
  check_size(kept.size(), kept_bytes(rows, width), name);
  if (reinterpret_cast<std::uintptr_t>(kept.data()) % 64)
    refuse(std::string(name) + " is not aligned to 64 bytes.");
  return kept.data();
}

int count(std::size_t rows) {
  if (!rows || rows > 1u << 24) refuse("There are no rows, or too many.");
  return static_cast<int>(rows);
}

class NativeTrainer {
 public:
  NativeTrainer(const std::string& isa, int threads)
      : training_(training_of(isa)), pool_(pool_of(checked(threads))) {}

  void project(nb::handle x, const Matrix& weight, const Floats& bias, const Floats& factor,
               const Matrix& residual, const Results& result, const Kept& kept) {
    Projection step{};
    step.rows = count(residual.shape(0));
    step.out = width(weight.shape(0), "out"), step.in = width(weight.shape(1), "in");
    step.x = rows_in(x, step.rows, step.in);
    step.weight = rows_of(weight, step.out, step.in, "weight");
    step.bias = vector_of(bias, step.out, "bias");
    step.factor = vector_of(factor, step.out, "factor");
    step.residual = rows_of(residual, step.rows, step.out, "residual");
    step.result = rows_of(result, step.rows, step.out, "result");
    step.kept = kept_of(kept, step.rows, step.in, "kept");
    run(step);
  }

  void project_gradient(const Matrix& grad, const Kept& kept, const Matrix& weight,
                        const Floats& factor, const Matrix& residual, nb::handle to_x,
                        nb::handle to_residual, const Results& to_weight, const Results& sums,
                        const Results& residual_sums) {
    ProjectionGradient step{};
    step.rows = count(grad.shape(0));
    step.out = width(weight.shape(0), "out"), step.in = width(weight.shape(1), "in");
    step.grad = rows_of(grad, step.rows, step.out, "grad");
    step.kept = kept_of(kept, step.rows, step.in, "kept");
    step.weight = rows_of(weight, step.out, step.in, "weight");
    step.factor = vector_of(factor, step.out, "factor");
    step.residual = rows_of(residual, step.rows, step.out, "residual");
    step.to_x = rows_out(to_x, step.rows, step.in);
    if (!to_residual.is_none())
      step.to_residual = rows_of(array_of<Results>(to_residual, "to_residual"), step.rows, step.out,
                                 "to_residual");
    step.to_weight = rows_of(to_weight, step.out, step.in, "to_weight");
    step.sums = vector_of(sums, step.out, "sums");
    step.residual_sums = vector_of(residual_sums, step.out, "residual_sums");
    run(step);
  }

  void feed_forward(const Matrix& x, const Matrix& weight, const Floats& bias, const Matrix& folded,
                    const Floats& folded_bias, const Floats& factor, const Results& result,
                    const Kept& kept_x, const Kept& kept_wide) {
    FeedForward step{};
    step.rows = count(x.shape(0));
    step.wide = width(weight.shape(0), "wide"), step.narrow = width(weight.shape(1), "narrow");
    step.x = rows_of(x, step.rows, step.narrow, "x");
    step.weight = rows_of(weight, step.wide, step.narrow, "weight");
    step.bias = vector_of(bias, step.wide, "bias");
    step.folded = rows_of(folded, step.narrow, step.wide, "folded");
    step.folded_bias = vector_of(folded_bias, step.narrow, "folded_bias");
    step.factor = vector_of(factor, step.narrow, "factor");
    step.result = rows_of(result, step.rows, step.narrow, "result");
    step.kept_x = kept_of(kept_x, step.rows, step.narrow, "kept_x");
    step.kept_wide = kept_of(kept_wide, step.rows, step.wide, "kept_wide");
    run(step);
  }

  void feed_forward_gradient(const Matrix& grad, const Kept& kept_x, const Kept& kept_wide,
                             const Matrix& weight, const Matrix& folded, const Floats& factor,
                             const Results& to_x, const Results& to_weight, const Results& to_bias,
                             const Results& to_folded, const Results& sums, const Results& x_sums) {
    FeedForwardGradient step{};
    step.rows = count(grad.shape(0));
    step.wide = width(weight.shape(0), "wide"), step.narrow = width(weight.shape(1), "narrow");
    step.grad = rows_of(grad, step.rows, step.narrow, "grad");
    step.kept_x = kept_of(kept_x, step.rows, step.narrow, "kept_x");
    step.kept_wide = kept_of(kept_wide, step.rows, step.wide, "kept_wide");
    step.weight = rows_of(weight, step.wide, step.narrow, "weight");
    step.folded = rows_of(folded, step.narrow, step.wide, "folded");
    step.factor = vector_of(factor, step.narrow, "factor");
    step.to_x = rows_of(to_x, step.rows, step.narrow, "to_x");
    step.to_weight = rows_of(to_weight, step.wide, step.narrow, "to_weight");
    step.to_bias = vector_of(to_bias, step.wide, "to_bias");
    step.to_folded = rows_of(to_folded, step.narrow, step.wide, "to_folded");
    step.sums = vector_of(sums, step.narrow, "sums");
    step.x_sums = vector_of(x_sums, step.narrow, "x_sums");
    run(step);
  }

  void enter(const Matrix& x, const Matrix& own, const Floats& own_bias, const Matrix& shared,
             const Floats& shared_bias, const Matrix& query_key, const Floats& query_key_bias,
             const Matrix& value, const Floats& value_bias, const Results& residual,
             const NarrowResults& joint, const Kept& kept_x, const Kept& kept_narrow) {
    Entry step{};
    step.rows = count(x.shape(0));
    step.stream = width(x.shape(1), "stream"), step.narrow = width(own.shape(0), "narrow");
    step.query_key = width(query_key.shape(0), "query_key");
    step.value = width(value.shape(0), "value");
    step.x = rows_of(x, step.rows, step.stream, "x");
    step.own = rows_of(own, step.narrow, step.stream, "own");
    step.own_bias = vector_of(own_bias, step.narrow, "own_bias");
    step.shared = rows_of(shared, step.narrow, step.stream, "shared");
    step.shared_bias = vector_of(shared_bias, step.narrow, "shared_bias");
    step.query_key_weight = rows_of(query_key, step.query_key, step.narrow, "query_key");
    step.query_key_bias = vector_of(query_key_bias, step.query_key, "query_key_bias");
    step.value_weight = rows_of(value, step.value, step.stream, "value");
    step.value_bias = vector_of(value_bias, step.value, "value_bias");
    step.residual = rows_of(residual, step.rows, step.narrow, "residual");
    step.joint = rows_of(joint, step.rows, step.query_key + step.value, "joint");
    step.kept_x = kept_of(kept_x, step.rows, step.stream, "kept_x");
    step.kept_narrow = kept_of(kept_narrow, step.rows, step.narrow, "kept_narrow");
    run(step);
  }

  void enter_gradient(const Matrix& to_residual, const NarrowRows& to_joint, const Kept& kept_x,
                      const Kept& kept_narrow, const Matrix& own, const Matrix& shared,
                      const Matrix& query_key, const Matrix& value, const Results& to_x,
                      const Results& to_readers, const Results& to_query_key,
                      const Results& reader_sums, const Results& query_key_sums) {
    EntryGradient step{};
    step.rows = count(to_residual.shape(0));
    step.stream = width(own.shape(1), "stream"), step.narrow = width(own.shape(0), "narrow");
    step.query_key = width(query_key.shape(0), "query_key");
    step.value = width(value.shape(0), "value");
    const int readers = step.value + 2 * step.narrow;
    step.to_residual = rows_of(to_residual, step.rows, step.narrow, "to_residual");
    step.to_joint = rows_of(to_joint, step.rows, step.query_key + step.value, "to_joint");
    step.kept_x = kept_of(kept_x, step.rows, step.stream, "kept_x");
    step.kept_narrow = kept_of(kept_narrow, step.rows, step.narrow, "kept_narrow");
    step.own = rows_of(own, step.narrow, step.stream, "own");
    step.shared = rows_of(shared, step.narrow, step.stream, "shared");
    step.query_key_weight = rows_of(query_key, step.query_key, step.narrow, "query_key");
    step.value_weight = rows_of(value, step.value, step.stream, "value");
    step.to_x = rows_of(to_x, step.rows, step.stream, "to_x");
    step.to_readers = rows_of(to_readers, readers, step.stream, "to_readers");
    step.to_query_key = rows_of(to_query_key, step.query_key, step.narrow, "to_query_key");
    step.reader_sums = vector_of(reader_sums, readers, "reader_sums");
    step.query_key_sums = vector_of(query_key_sums, step.query_key, "query_key_sums");
    run(step);
  }

  void attend(const Integers& starts, int heads, double dropout, std::uint64_t seed,
              const NarrowRows& joint, const NarrowResults& context, const Results& log_sums) {
    auto step = attention<TrainedAttention>(starts, heads, dropout, seed, joint);
    const std::size_t tokens = joint.shape(0);
    step.context = rows_of(context, tokens, static_cast<std::size_t>(heads) * step.head, "context");
    step.log_sums = rows_of(log_sums, tokens, heads, "log_sums");
    run(step);
  }

  void attend_gradient(const Integers& starts, int heads, double dropout, std::uint64_t seed,
                       const NarrowRows& joint, const NarrowRows& grad, const Floats& log_sums,
                       const NarrowResults& to_joint) {
    auto step = attention<TrainedAttentionGradient>(starts, heads, dropout, seed, joint);
    const std::size_t tokens = joint.shape(0), width = static_cast<std::size_t>(heads) * step.head;
    step.grad = rows_of(grad, tokens, width, "grad");
    step.log_sums = rows_of(log_sums, tokens, heads, "log_sums");
    step.to_joint = rows_of(to_joint, tokens, 3 * width, "to_joint");
    run(step);
  }

  // Without gradients all of them are None, and without a teacher `soft`: else it is a list of the
  // teacher's x, table, extension and bias, the share of the right words, and the temperature.
  void vocabulary(const Matrix& x, const Matrix& table, const Matrix& extension, const Floats& bias,
                  const Integers& labels, nb::handle soft, const Results& losses, nb::handle to_x,
                  nb::handle to_table, nb::handle to_extension, nb::handle to_bias) {
    Vocabulary step{};
    step.rows = count(x.shape(0)), step.words = count(table.shape(0));
    step.scorer = scorer_of(step, x, table, extension, bias);
    check_size(labels.size(), step.rows, "labels");
    check_ids(labels, step.rows, 0, step.words, "labels");
    step.labels = labels.data();
    SoftTargets targets{};
    Matrix x_theirs, table_theirs, extension_theirs;  // until the work is done
    Floats bias_theirs;
    if (!soft.is_none()) {
      if (nb::len(soft) != 6) refuse("soft has 6 entries.");
      x_theirs = array_of<Matrix>(soft[0], "x"), table_theirs = array_of<Matrix>(soft[1], "table");
      extension_theirs = array_of<Matrix>(soft[2], "extension");
      bias_theirs = array_of<Floats>(soft[3], "bias");
      targets.scorer = scorer_of(step, x_theirs, table_theirs, extension_theirs, bias_theirs);
      targets.hard_share = nb::cast<float>(soft[4]);
      targets.temperature = nb::cast<float>(soft[5]);
      if (!(targets.hard_share >= 0 && targets.hard_share <= 1) || !(targets.temperature > 0))
        refuse("The share of the right words is 0 to 1, and the temperature above 0.");
      step.soft = &targets;
    }
    step.losses = vector_of(losses, step.rows, "losses");
    step.grades = !to_x.is_none();
    if (step.grades) {
      const Scorer& own = step.scorer;
      const std::size_t words = step.words;
      const auto place = [](nb::handle given, std::size_t size, const char* name) {
        return vector_of(array_of<Results>(given, name), size, name);
      };
      step.to_x = place(to_x, static_cast<std::size_t>(step.rows) * own.width, "to_x");
      step.to_table = place(to_table, words * own.embedding, "to_table");
      step.to_extension =
          place(to_extension, words * (own.width - own.embedding), "to_extension");
      step.to_bias = place(to_bias, words, "to_bias");
    }
    run(step);
  }

 private:
  static Scorer scorer_of(const Vocabulary& step, const Matrix& x, const Matrix& table,
                          const Matrix& extension, const Floats& bias) {
    Scorer scorer{};
    scorer.width = width(x.shape(1), "x"), scorer.embedding = width(table.shape(1), "table");
    if (scorer.embedding > scorer.width) refuse("table is wider than x.");
    const std::size_t words = step.words, rest = scorer.width - scorer.embedding;
    scorer.x = rows_of(x, step.rows, scorer.width, "x");
    scorer.table = rows_of(table, words, scorer.embedding, "table");
    scorer.extension = rows_of(extension, rest, words, "extension");
    scorer.bias = vector_of(bias, words, "bias");
    return scorer;
  }

  template <class Step>
  static Step attention(const Integers& starts, int heads, double dropout, std::uint64_t seed,
                        const NarrowRows& joint) {
    Step step{};
    const int tokens = count(joint.shape(0));
    check_starts(starts, tokens);
    if (heads < 1 || joint.shape(1) % (3u * heads)) refuse("heads do not divide joint.");
    if (!(dropout >= 0 && dropout < 1)) refuse("dropout must be at least 0 and below 1.");
    step.starts = starts.data(), step.texts = static_cast<int>(starts.size()) - 1;
    step.heads = heads, step.head = width(joint.shape(1) / 3 / heads, "head");
    step.scale = static_cast<float>(1.4426950408889634 / std::sqrt(double(step.head)));
    step.seed = seed, step.dropped = static_cast<unsigned>(std::lround(dropout * 65536));
    if (step.dropped > 65535) step.dropped = 65535;
    step.kept = static_cast<float>(65536.0 / (65536 - step.dropped));
    step.joint = rows_of(joint, tokens, joint.shape(1), "joint");
    return step;
  }

  static int checked(int threads) {
    if (threads < 1 || threads > 1024) refuse("threads must be between 1 and 1024.");
    return threads;
  }

  static RowsIn rows_in(nb::handle x, int rows, int width) {
    NarrowRows narrow;
    if (nb::try_cast<NarrowRows>(x, narrow, /*convert=*/false))
      return {nullptr, rows_of(narrow, rows, width, "x")};
    return {rows_of(array_of<Matrix>(x, "x"), rows, width, "x"), nullptr};
  }

  static RowsOut rows_out(nb::handle x, int rows, int width) {
    if (x.is_none()) return {nullptr, nullptr};
    NarrowResults narrow;
    if (nb::try_cast<NarrowResults>(x, narrow, /*convert=*/false))
      return {nullptr, rows_of(narrow, rows, width, "to_x")};
    return {rows_of(array_of<Results>(x, "to_x"), rows, width, "to_x"), nullptr};
  }

  template <class Step>
  void run(const Step& step) {
    nb::gil_scoped_release release;
    Trainer(training_, pool_).run(step);
  }

  const Training& training_;
  Pool& pool_;
};

}  // namespace

void bind_training(nb::module_& module) {
  // Arrays are taken as they are; where something is not wanted there is None.
  const auto given = nb::arg().noconvert();
  const auto maybe = nb::arg().noconvert().none();
  module.def(
      "trains", [](const std::string& isa) { return find_training(isa) != nullptr; }, "isa"_a,
      "Whether steps of training run here with an instruction set.");
  nb::class_<NativeTrainer>(module, "Trainer")
      .def(nb::init<const std::string&, int>(), "isa"_a, "threads"_a)
      .def("project", &NativeTrainer::project, given, given, given, given, given, given, given)
      .def("project_gradient", &NativeTrainer::project_gradient, given, given, given, given, given,
           maybe, maybe, given, given, given)
      .def("feed_forward", &NativeTrainer::feed_forward, given, given, given, given, given, given,
           given, given, given)
      .def("feed_forward_gradient", &NativeTrainer::feed_forward_gradient, given, given, given,
           given, given, given, given, given, given, given, given, given)
      .def("enter", &NativeTrainer::enter, given, given, given, given, given, given, given, given,
           given, given, given, given, given)
      .def("enter_gradient", &NativeTrainer::enter_gradient, given, given, given, given, given,
           given, given, given, given, given, given, given, given)
      .def("attend", &NativeTrainer::attend, given, given, given, given, given, given, given)
      .def("attend_gradient", &NativeTrainer::attend_gradient, given, given, given, given, given,
           given, given, given)
      .def("vocabulary", &NativeTrainer::vocabulary, given, given, given, given, given, maybe,
           given, maybe, maybe, maybe, maybe);
}

}  // namespace mobilebert
