// Python's view of the encoder: what comes in is checked here, and the GIL is released around the
// work.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "cpu.h"
#include "encoder.h"
#include "peak.h"
#include "python_arrays.h"
#include "python_program.h"
#include "training_bindings.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace nb = nanobind;
using namespace nb::literals;

namespace mobilebert {
namespace {

const Kernels& kernels_named(const std::string& name) {
  for (const Kernels* kernels : available_kernels())
    if (name == kernels->name) return *kernels;
  refuse("This processor cannot run " + name + ".");
}

class NativeEncoder {
 public:
  NativeEncoder(nb::object program, const std::string& isa, int threads, bool mapped)
      : encoder_(checked(program, isa, threads, held_), kernels_named(isa), threads, mapped) {
    held_.keep_only(encoder_.program());
  }

  // Arguments are the arrays of a RaggedBatch; results are written into arrays of padded width.
  void run(const Integers& ids, const Integers& positions, const Integers& types,
           const Integers& following, const Integers& previous, const Integers& starts,
           const Integers& wanted_rows, nb::dict results) {
    const Program& p = encoder_.program();
    const std::size_t tokens = ids.size();
    check_starts(starts, tokens);
    check_ids(ids, tokens, 0, p.embedding.vocabulary, "ids");
    check_ids(positions, tokens, 0, p.embedding.positions, "positions");
    check_ids(types, tokens, 0, p.embedding.types, "types");
    check_ids(following, tokens, -1, p.embedding.vocabulary, "following");
    check_ids(previous, tokens, -1, p.embedding.vocabulary, "previous");
    check_ids(wanted_rows, wanted_rows.size(), 0, static_cast<int>(tokens), "wanted_rows");
    Call call;
    call.tokens = static_cast<int>(tokens);
    call.texts = static_cast<int>(starts.size()) - 1;
    call.wanted = static_cast<int>(wanted_rows.size());
    for (int text = 0; text < call.texts; ++text)
      if (starts.data()[text] == starts.data()[text + 1]) refuse("A text has no tokens.");
    call.ids = ids.data();
    call.positions = positions.data();
    call.types = types.data();
    call.following = following.data();
    call.previous = previous.data();
    call.starts = starts.data();
    call.wanted_rows = wanted_rows.data();
    const std::size_t texts = call.texts, width = p.stream;
    std::vector<Results> held;  // the dictionary may change while the GIL is released
    const auto place = [&](const char* name, std::size_t size) -> float* {
      if (!results.contains(name)) return nullptr;
      held.push_back(array_of<Results>(results[name], name));
      check_size(held.back().size(), size, name);
      return held.back().data();
    };
    call.stream = place("stream", tokens * width);
    call.states = place("states", (p.layers.size() + 1) * tokens * width);
    call.pooled = place("pooled", texts * width);
    call.vocabulary = place("vocabulary", wanted_rows.size() * p.vocabulary.out);
    call.projection = place("projection", (p.pools ? texts : tokens) * p.projection.out);
    if (call.wanted && p.vocabulary && !call.vocabulary)
      refuse("There is no room for the vocabulary.");
    nb::gil_scoped_release release;
    encoder_.run(call);
  }

  int threads() const { return encoder_.threads(); }
  int last_layer_rows() const { return encoder_.last_layer_rows(); }
  std::string isa() const { return encoder_.kernels().name; }

 private:
  static Program checked(nb::handle program, const std::string& isa, int threads,
                         HeldArrays& held) {
    if (threads < 1 || threads > 1024) refuse("threads must be between 1 and 1024.");
    return read_program(program, kernels_named(isa), held);
  }

  HeldArrays held_;
  Encoder encoder_;
};

// Instruction sets that run here, slowest first, each with its element types.
std::vector<std::pair<std::string, std::vector<std::string>>> isas() {
  std::vector<std::pair<std::string, std::vector<std::string>>> found;
  for (const Kernels* kernels : available_kernels()) {
    std::vector<std::string> dtypes;
    for (const Arithmetic* arithmetic : {kernels->float32, kernels->bfloat16, kernels->int8})
      if (arithmetic) dtypes.push_back(arithmetic->dtype);
    found.emplace_back(kernels->name, dtypes);
  }
  return found;
}

// Packing leaves as much free memory behind as a model has weights, and glibc keeps it.
void return_free_memory() {
#if defined(__GLIBC__)
  nb::gil_scoped_release release;
  malloc_trim(0);
#endif
}

const PeakLoop& peak_loop_named(const std::string& isa, const std::string& dtype) {
  for (const PeakLoop* loop : available_peak_loops())
    if (isa == loop->isa && dtype == loop->dtype) return *loop;
  refuse("This processor has no peak of " + isa + " in " + dtype + ".");
}

// Instruction set, element type, and multiply-adds a cycle of one core.
std::vector<std::tuple<std::string, std::string, int>> peaks() {
  std::vector<std::tuple<std::string, std::string, int>> found;
  for (const PeakLoop* loop : available_peak_loops())
    found.emplace_back(loop->isa, loop->dtype, loop->multiply_adds_a_cycle);
  return found;
}

double peak(const std::string& isa, const std::string& dtype, int threads, double seconds) {
  const PeakLoop& loop = peak_loop_named(isa, dtype);
  if (threads < 1 || threads > 1024) refuse("threads must be between 1 and 1024.");
  if (!(seconds > 0 && seconds <= 60)) refuse("seconds must be above 0 and at most 60.");
  nb::gil_scoped_release release;
  return measure_peak(loop, threads, seconds);
}

double clock_rate(double seconds) {
  if (!(seconds > 0 && seconds <= 60)) refuse("seconds must be above 0 and at most 60.");
  nb::gil_scoped_release release;
  return measure_clock(seconds);
}

}  // namespace
}  // namespace mobilebert

NB_MODULE(_native, module) {
  using mobilebert::NativeEncoder;
  module.doc() = "The engine's native part; mobilebert.engine is its Python interface.";
  module.attr("PANEL") = mobilebert::kPanel;
  module.def("isas", &mobilebert::isas,
             "Instruction sets that run here, slowest first, each with its element types.");
  module.def("return_free_memory", &mobilebert::return_free_memory,
             "Gives memory that is free back to the system, where that is possible.");
  module.def("peaks", &mobilebert::peaks,
             "Loops over registers that run here: instruction set, element type, multiply-adds a "
             "cycle of one core.");
  module.def("peak", &mobilebert::peak, "isa"_a, "dtype"_a, "threads"_a, "seconds"_a,
             "Multiply-adds a second of such a loop on some threads together.");
  module.def("clock_rate", &mobilebert::clock_rate, "seconds"_a,
             "Cycles a second of one core; 0 where it cannot be measured.");
  mobilebert::bind_training(module);
  nb::class_<NativeEncoder>(module, "Encoder")
      .def(nb::init<nb::object, const std::string&, int, bool>(), "program"_a, "isa"_a, "threads"_a,
           "mapped"_a = false)
      .def("run", &NativeEncoder::run, "ids"_a.noconvert(), "positions"_a.noconvert(),
           "types"_a.noconvert(), "following"_a.noconvert(), "previous"_a.noconvert(),
           "starts"_a.noconvert(), "wanted_rows"_a.noconvert(), "results"_a)
      .def_prop_ro("threads", &NativeEncoder::threads)
      .def_prop_ro("last_layer_rows", &NativeEncoder::last_layer_rows,
                   "Rows that the last layer computed in the latest call.")
      .def_prop_ro("isa", &NativeEncoder::isa);
}
