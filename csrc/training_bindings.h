// Steps of training for Python.
#pragma once

#include <nanobind/nanobind.h>

namespace mobilebert {

void bind_training(nanobind::module_& module);

}  // namespace mobilebert
