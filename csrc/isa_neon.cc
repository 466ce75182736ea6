// NEON, which every AArch64 processor has.
#include "kernels.h"
#include "vec_neon.h"
#include "float32.h"

namespace mobilebert {
const Kernels kNeon{"neon", &kFloat32, nullptr, normalize, apply_tanh};
}
