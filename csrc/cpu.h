// What this processor can run.
#pragma once

#include <vector>

#include "kernels.h"

namespace mobilebert {

// The kernels that run here, slowest first; the generic ones always do.
std::vector<const Kernels*> available_kernels();

}  // namespace mobilebert
