// A program as Python has it, `mobilebert.engine.packing.PackedProgram`, becomes the encoder's.
#pragma once

#include <vector>

#include "encoder.h"
#include "python_arrays.h"

namespace mobilebert {

// The arrays that a program's pointers lead into: they live as long as they are held.
class HeldArrays {
 public:
  template <class Numbers>
  void hold(const Numbers& array) {
    arrays_.emplace_back(array);
  }

  // Lets go of those that a program does not point to, because it has copies.
  void keep_only(const Program& program);

 private:
  std::vector<nb::ndarray<>> arrays_;
};

// Reads a program and checks it; what it points to is added to `held`.
Program read_program(nb::handle given, const Kernels& kernels, HeldArrays& held);

}  // namespace mobilebert
