// AVX-512 (F, BW, VL, DQ).
#include "kernels.h"
#include "vec_avx512.h"
#include "float32.h"

namespace mobilebert {
const Kernels kAvx512{"avx512", &kFloat32, nullptr, normalize, apply_tanh};
}
