// How fast the processor multiplies and adds when nothing is loaded or stored: what kernels are
// measured against. Only benchmarks use it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace mobilebert {

// A loop over registers in one instruction set and element type.
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
#endif

// The loops that this processor can run.
std::vector<const PeakLoop*> available_peak_loops();

// Multiply-adds a second of `threads` threads that run the loop at the same time.
double measure_peak(const PeakLoop& loop, int threads, double seconds);

// Cycles a second, from a chain of dependent multiplications; 0 where there is no such loop.
double measure_clock(double seconds);

}  // namespace mobilebert
