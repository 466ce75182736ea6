// A loop over registers, which only multiplies and adds, and what it is made of.
#pragma once

#include <cstdint>

namespace mobilebert {

// A loop in one instruction set and element type.
struct PeakLoop {
  const char* isa;
  const char* dtype;
  int multiply_adds_a_cycle;  // of one core, by the published instruction tables
  std::uint64_t multiply_adds_a_turn;
  void (*run)(std::uint64_t turns);
};

#if defined(MOBILEBERT_X86)
extern const PeakLoop kPeakAvx2Float32;
extern const PeakLoop kPeakAvx512Float32;
extern const PeakLoop kPeakAvx512VnniInt8;
extern const PeakLoop kPeakAmxBfloat16;
extern const PeakLoop kPeakAmxInt8;

namespace {

// Adds a product to each of some sums in each turn. `Unit` says what a vector is, how many numbers
// a product has, and which instruction multiplies and adds.
template <class Unit>
void run_on_vectors(std::uint64_t turns) {
  typename Unit::Vector sums[Unit::kSums];
  for (auto& sum : sums) sum = Unit::zero();
  const auto x = Unit::left(), y = Unit::right();
  for (std::uint64_t turn = 0; turn < turns; ++turn)
    for (auto& sum : sums) Unit::add(sum, x, y);
}

template <class Unit>
constexpr PeakLoop vector_loop(const char* isa, const char* dtype) {
  constexpr int kUnits = 2;  // of a core, that multiply and add
  return {isa, dtype, kUnits * Unit::kProducts, Unit::kSums * Unit::kProducts,
          run_on_vectors<Unit>};
}

}  // namespace
#endif

}  // namespace mobilebert
