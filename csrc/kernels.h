// The kernels: arithmetic on raw pointers. They know no model, allocate nothing and check nothing.
//
// One table for each instruction set; `cpu.cc` chooses among those that the machine can run.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mobilebert {

// Every width is padded to whole panels of 32 columns: two AVX-512 vectors or AMX tiles, and a
// multiple of every narrower vector, so that packed float32 weights serve all instruction sets.
constexpr int kPanel = 32;

inline int padded(int width) { return (width + kPanel - 1) / kPanel * kPanel; }

enum class Activation : int { kNone, kRelu, kRelu6, kGelu, kGeluNew, kSilu };

// activation(a b + bias + scale * residual), for the columns of panels [first, last). The result
// goes to `exact` (float32 rows), to `packed` (ready to be the `a` of another product), or both.
// In float32 packed rows are plain rows, and the two are one: `exact` is written where it is given.
// Where only whole rows can be packed it goes to `exact`.
struct Product {
  const void* a;  // packed rows of `depth` numbers
  int rows;
  int depth;
  const void* b;  // packed weights
  const float* column_scale;  // of integers: what one stands for in each column of b, and the
  const float* column_sum;    // sum of the column's; null otherwise
  int first, last;
  const float* bias;
  const float* residual;  // null: none
  std::size_t residual_stride;
  const float* scale;
  Activation activation;
  float* exact;  // null: not wanted
  std::size_t exact_stride;
  void* packed;  // null: not wanted
  int packed_width;
  const void* next;  // weights that are read after these, or null: worth fetching meanwhile
  std::size_t next_bytes;
};

// softmax(q k) v, for some queries of one text and one head; scores are in units of log 2.
struct Attention {
  const float* query;
  std::size_t query_stride;
  int rows;
  int head;            // numbers of a head
  const void* keys;    // of all tokens of the text, as `pack_keys` leaves them
  const void* values;  // as `pack_values` leaves them
  int length;          // tokens of the text
  void* scratch;       // `attention_scratch` bytes, aligned to 64
  void* context;       // packed rows of `width` numbers
  float* exact;        // where given, float32 rows of `width` numbers instead
  int first_row, first_column, width;
};

// Arithmetic in one element type.
struct Arithmetic {
  const char* dtype;
  std::size_t element;  // bytes of a packed number
  int row_unit;         // packed rows are cut at multiples of it; memory must be there for the rest
  void (*enter)();      // before the first use on a thread, and `leave` after the last
  void (*leave)();
  // Float32 rows to packed rows `first`, `first` + 1, ... of `width` numbers.
  void (*pack)(const float* x, std::size_t stride, int rows, int width, void* packed, int first);
  void (*multiply)(const Product& product);
  // Rows of one head become keys (values) `first`, `first` + 1, ... of a text with `length` tokens.
  // Both take padded(length) * head numbers.
  void (*pack_keys)(const float* x, std::size_t stride, int rows, int head, int length, void* keys,
                    int first);
  void (*pack_values)(const float* x, std::size_t stride, int rows, int head, int length,
                      void* values, int first);
  void (*attend)(const Attention& attention);
  std::size_t (*attention_scratch)(int longest, int head);
  int depth_unit = 1;         // packed rows have a multiple of so many numbers
  std::size_t row_extra = 0;  // and so many bytes beside them
  int tile_rows = 1;          // rows that are computed at once

  std::size_t row_bytes(int width) const {
    const std::size_t units = (width + depth_unit - 1) / depth_unit;
    return units * depth_unit * element + row_extra;
  }
  // Whether a row has to be whole before it is packed, because all its numbers share a scale.
  bool packs_whole_rows() const { return row_extra != 0; }
};

struct Training;  // training.h

struct Kernels {
  const char* name;
  const Arithmetic* float32;
  const Arithmetic* bfloat16;  // null: not with this instruction set
  void (*normalize)(float* x, std::size_t stride, int rows, int width, const float* weight,
                    const float* bias, float eps);
  void (*tanh)(float* x, std::size_t stride, int rows, int width);
  const Arithmetic* int8 = nullptr;  // products only: attention is in one of the others
  const Training* training = nullptr;
};

extern const Kernels kGeneric;
#if defined(MOBILEBERT_X86)
extern const Kernels kAvx2;
extern const Kernels kAvx512;
extern const Kernels kAvx512Vnni;
extern const Kernels kAmx;
// Of "avx512vnni", where the processor has AVX512-BF16.
extern const Arithmetic kAvx512Bfloat16;
const Training& avx512_bfloat16_training();
#elif defined(MOBILEBERT_ARM64)
extern const Kernels kNeon;
extern const Kernels kNeonBfloat16;  // "neon" too, where the processor has FEAT_BF16
#endif

}  // namespace mobilebert
