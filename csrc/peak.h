// How fast the processor multiplies and adds when nothing is loaded or stored: what kernels are
// measured against. Only benchmarks use it.
#pragma once

#include <vector>

#include "peak_loop.h"

namespace mobilebert {

// The loops that this processor can run.
std::vector<const PeakLoop*> available_peak_loops();

// Multiply-adds a second of `threads` threads that run the loop at the same time.
double measure_peak(const PeakLoop& loop, int threads, double seconds);

// Cycles a second, from a chain of dependent multiplications; 0 where there is no such loop.
double measure_clock(double seconds);

}  // namespace mobilebert
