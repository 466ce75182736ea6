// How a thread rounds while it works in bfloat16.
//
// The instructions that multiply bfloat16 round to the nearest and take numbers below 2**-126 for
// zeros, whatever is set. What is float32 beside them does the same, alike on every thread of a
// pool, whatever the caller of the first one has set.
#pragma once

#include <immintrin.h>

namespace mobilebert {
namespace {

thread_local unsigned callers_rounding;
thread_local int entered_rounding;  // once for each element type of a program

void enter_rounding() {
  if (entered_rounding++) return;
  callers_rounding = _mm_getcsr();
  _mm_setcsr(0x1f80 | 0x8040);  // nearest, nothing trapped; flushed to zero, and read as zero
}

void leave_rounding() {
  if (!--entered_rounding) _mm_setcsr(callers_rounding);
}

}  // namespace
}  // namespace mobilebert
