// AMX with AVX-512: products of bfloat16 and int8 on tiles, everything else as with AVX-512.
#include "kernels.h"
#include "vec_avx512.h"
#include "float32.h"

#include "amx_attention.h"
#include "amx_product.h"

namespace mobilebert {
namespace {

const Arithmetic kBfloat16{"bfloat16",
                           2,
                           kRows16,
                           enter_tiles,
                           leave_tiles,
                           pack_rows_bfloat16,
                           multiply_bfloat16,
                           pack_keys_bfloat16,
                           pack_values_bfloat16,
                           attend_bfloat16,
                           attention_scratch_bfloat16};

}  // namespace
}  // namespace mobilebert

#include "int8.h"
#include "amx_int8.h"
#include "tile_training.h"

namespace mobilebert {
const Kernels kAmx{"amx", &kFloat32, &kBfloat16, normalize, apply_tanh, &kInt8, &kTraining};
}
