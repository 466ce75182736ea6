// Steps of training with AVX512-BF16, for processors that have it and no AMX.
#include "kernels.h"
#include "vec_avx512.h"
#include "float32.h"

#include "pair_products.h"
#include "tile_training.h"

namespace mobilebert {

const Training& avx512_bfloat16_training() { return kTraining; }

}  // namespace mobilebert
