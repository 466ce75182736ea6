// Every kernel of every instruction set that this machine has, against plain loops in double
// precision: odd numbers of rows, every activation, all lengths around the edges of tiles.
//
// Each comparison has twins: one operand of the kernel is moved, and the comparison must fail.
//
//   ./test_kernels      (built and run by run.sh)
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "../cpu.h"
#include "../kernels.h"
#include "../workspace.h"
#include "bfloat16.h"
#include "comparison.h"

using namespace mobilebert;

namespace {

// Errors relative to the largest wanted number, at least 1. Products are float32 sums of at most
// 160 products of numbers below 1, 2**-24 a rounding: measured worst 1.3e-6.
constexpr double kFloat32Bound = 4e-6;
// bfloat16 rounds to 2**-9: what is packed, and in attention the probabilities too.
constexpr double kBfloat16Bound = 0.01;
// Of a score of 1, when it is the exponent of a probability: 2**-24 and a few roundings.
constexpr double kScoreBound = 3e-7;
// Norms and tanh have no sums in float32: measured worst 1.1e-7.
constexpr double kRowBound = 3e-7;

// Element types.

float rounded(const Arithmetic& arithmetic, float x) {
  return arithmetic.element == sizeof(float) ? x : from_bfloat16(bfloat16_bits(x));
}

Floats rounded(const Arithmetic& arithmetic, Floats x) {
  for (float& number : x) number = rounded(arithmetic, number);
  return x;
}

// A matrix [depth][width] as mobilebert/engine/layouts.py lays it out.
void pack_weight(const Arithmetic& arithmetic, const Floats& matrix, int depth, int width,
                 Buffer& to) {
  to.reserve(matrix.size() * arithmetic.element);
  for (int d = 0; d < depth; ++d)
    for (int j = 0; j < width; ++j) {
      const std::size_t panel = j / kPanel, column = j % kPanel;
      const float value = matrix[static_cast<std::size_t>(d) * width + j];
      if (arithmetic.element == sizeof(float)) {
        to.floats()[(panel * depth + d) * kPanel + column] = value;
      } else {
        const std::size_t tile = (panel * (depth / kPanel) + d / kPanel) * 2 + column / 16;
        const std::size_t place = (d % kPanel / 2 * 16 + column % 16) * 2 + d % 2;
        reinterpret_cast<std::uint16_t*>(to.data())[tile * 512 + place] = bfloat16_bits(value);
      }
    }
}

void reserve_rows(const Arithmetic& arithmetic, int rows, int width, Buffer& to) {
  to.reserve(up_to(rows, arithmetic.row_unit) * width * arithmetic.element);
}

// What packed rows hold, told by a product with the matrix of ones on the diagonal.
Floats unpack(const Arithmetic& arithmetic, const Buffer& packed, int rows, int width) {
  Floats diagonal(static_cast<std::size_t>(width) * width), bias(width);
  for (int i = 0; i < width; ++i) diagonal[static_cast<std::size_t>(i) * (width + 1)] = 1;
  Buffer weight;
  pack_weight(arithmetic, diagonal, width, width, weight);
  Floats result(static_cast<std::size_t>(rows) * width);
  Product product{};
  product.a = packed.data();
  product.rows = rows;
  product.depth = width;
  product.b = weight.data();
  product.last = width / kPanel;
  product.bias = bias.data();
  product.exact = result.data();
  product.exact_stride = width;
  arithmetic.multiply(product);
  return result;
}

// Products.

double activated(double x, Activation kind) {
  switch (kind) {
    case Activation::kNone: return x;
    case Activation::kRelu: return std::max(x, 0.0);
    case Activation::kRelu6: return std::min(std::max(x, 0.0), 6.0);
    case Activation::kGelu: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kGeluNew:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kSilu: return x / (1 + std::exp(-x));
  }
  return x;
}

enum class Wants { kExact, kPacked, kBoth };

struct ProductCase {
  int rows, depth;
  bool adds;
  Activation activation;
  Wants wants;
};

// Two panels of three: the columns of the others must stay as they are.
constexpr int kWidth = 3 * kPanel, kFirst = 1, kLast = 3;
constexpr float kUntouched = 7;

struct ProductOperands {
  Floats a, b, bias, residual, scale;
};

Floats multiply(const Arithmetic& arithmetic, const ProductCase& c, const ProductOperands& o) {
  Buffer a, b, packed;
  reserve_rows(arithmetic, c.rows, c.depth, a);
  arithmetic.pack(o.a.data(), c.depth, c.rows, c.depth, a.data(), 0);
  pack_weight(arithmetic, o.b, c.depth, kWidth, b);
  reserve_rows(arithmetic, c.rows, kWidth, packed);
  Floats exact(static_cast<std::size_t>(c.rows) * kWidth, kUntouched);
  arithmetic.pack(exact.data(), kWidth, c.rows, kWidth, packed.data(), 0);
  Product product{};
  product.a = a.data();
  product.rows = c.rows;
  product.depth = c.depth;
  product.b = b.data();
  product.first = kFirst;
  product.last = kLast;
  product.bias = o.bias.data();
  product.residual = c.adds ? o.residual.data() : nullptr;
  product.residual_stride = kWidth;
  product.scale = o.scale.data();
  product.activation = c.activation;
  product.exact = c.wants == Wants::kPacked ? nullptr : exact.data();
  product.exact_stride = kWidth;
  product.packed = c.wants == Wants::kExact ? nullptr : packed.data();
  product.packed_width = kWidth;
  arithmetic.multiply(product);
  if (c.wants == Wants::kExact) return exact;
  // In float32 packed rows are plain rows, and only one of the two is written.
  const bool one = arithmetic.element == sizeof(float);
  if (one && product.exact) return exact;
  const Floats from_packed = unpack(arithmetic, packed, c.rows, kWidth);
  if (product.exact && from_packed != rounded(arithmetic, exact)) {
    ++failures;
    std::printf("%s: what is packed is not what is exact\n", path.c_str());
  }
  return product.exact ? exact : from_packed;
}

void test_product(const Arithmetic& arithmetic, const ProductCase& c) {
  const std::size_t rows = c.rows, depth = c.depth;
  ProductOperands o{rounded(arithmetic, numbers.floats(rows * depth)),
                    rounded(arithmetic, numbers.floats(depth * kWidth)), numbers.floats(kWidth),
                    numbers.floats(rows * kWidth), numbers.floats(kWidth)};
  std::vector<double> wanted(rows * kWidth, kUntouched);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = kFirst * kPanel; j < kLast * kPanel; ++j) {
      double sum = o.bias[j];
      for (std::size_t d = 0; d < depth; ++d)
        sum += double(o.a[i * depth + d]) * o.b[d * kWidth + j];
      if (c.adds) sum += double(o.scale[j]) * o.residual[i * kWidth + j];
      wanted[i * kWidth + j] = activated(sum, c.activation);
    }
  // Of what is packed alone only the rounded numbers are there.
  const bool rounds = c.wants == Wants::kPacked && arithmetic.element < sizeof(float);
  const double bound = rounds ? kBfloat16Bound : kFloat32Bound;
  const std::string what = "product of " + std::to_string(c.rows) + " rows, depth " +
                           std::to_string(c.depth) + ", activation " +
                           std::to_string(static_cast<int>(c.activation));
  std::vector<Operand> operands;
  // An activation may hide what moves.
  if (c.activation == Activation::kNone) {
    operands = {{"a", &o.a, 2}, {"b", &o.b, 2, kPanel}, {"bias", &o.bias, 2, kPanel}};
    if (c.adds) {
      operands.push_back({"residual", &o.residual, 2, kPanel});
      operands.push_back({"scale", &o.scale, 2, kPanel});
    }
  }
  compare_with_twins([&] { return multiply(arithmetic, c, o); }, wanted, bound, what, operands);
}

void test_products(const Arithmetic& arithmetic) {
  const auto activations = {Activation::kNone, Activation::kRelu,    Activation::kRelu6,
                            Activation::kGelu, Activation::kGeluNew, Activation::kSilu};
  for (int rows : {1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 14, 15, 16, 17, 23, 29, 31, 32, 33, 47, 64})
    for (Activation activation : activations)
      for (bool adds : {false, true})
        for (Wants wants : {Wants::kExact, Wants::kPacked, Wants::kBoth})
          test_product(arithmetic, {rows, rows % 2 ? 32 : 160, adds, activation, wants});
}

// Attention.

struct AttentionCase {
  int rows, length, head;
  float steepness;
};

struct AttentionOperands {
  Floats query, keys, values;
};

// The context stands behind another head's and below a row of zeros.
Floats attend(const Arithmetic& arithmetic, const AttentionCase& c, const AttentionOperands& o) {
  const int part = c.length / 3, width = 2 * c.head;
  Buffer keys, values, scratch, context;
  const std::size_t packed = static_cast<std::size_t>(padded(c.length)) * c.head;
  keys.reserve(packed * arithmetic.element);
  values.reserve(packed * arithmetic.element);
  const auto pack = [&](decltype(Arithmetic::pack_keys) how, const Floats& x, Buffer& to) {
    how(x.data(), c.head, part, c.head, c.length, to.data(), 0);
    how(x.data() + static_cast<std::size_t>(part) * c.head, c.head, c.length - part, c.head,
        c.length, to.data(), part);
  };
  pack(arithmetic.pack_keys, o.keys, keys);
  pack(arithmetic.pack_values, o.values, values);
  scratch.reserve(arithmetic.attention_scratch(c.length, c.head));
  reserve_rows(arithmetic, c.rows + 1, width, context);
  Attention attention{};
  attention.query = o.query.data();
  attention.query_stride = c.head;
  attention.rows = c.rows;
  attention.head = c.head;
  attention.keys = keys.data();
  attention.values = values.data();
  attention.length = c.length;
  attention.scratch = scratch.data();
  attention.context = context.data();
  attention.first_row = 1;
  attention.first_column = c.head;
  attention.width = width;
  arithmetic.attend(attention);
  return unpack(arithmetic, context, c.rows + 1, width);
}

// The context of `attend`, and the largest score.
std::pair<std::vector<double>, double> plain_attention(const AttentionCase& c,
                                                       const AttentionOperands& o) {
  const std::size_t head = c.head;
  std::vector<double> context((c.rows + 1) * 2 * head), scores(c.length);
  double largest = 0;
  for (int i = 0; i < c.rows; ++i) {
    for (int t = 0; t < c.length; ++t) {
      scores[t] = 0;
      for (std::size_t d = 0; d < head; ++d)
        scores[t] += double(o.query[i * head + d]) * o.keys[t * head + d];
      largest = std::max(largest, std::fabs(scores[t]));
    }
    const double top = *std::max_element(scores.begin(), scores.end());
    double total = 0;
    for (double& x : scores) total += x = std::exp2(x - top);
    for (int t = 0; t < c.length; ++t)
      for (std::size_t d = 0; d < head; ++d)
        context[((i + 1) * 2 + 1) * head + d] += scores[t] / total * o.values[t * head + d];
  }
  return {context, largest};
}

void test_attention(const Arithmetic& arithmetic, const AttentionCase& c) {
  const std::size_t head = c.head;
  AttentionOperands o{rounded(arithmetic, numbers.floats(c.rows * head, c.steepness)),
                      rounded(arithmetic, numbers.floats(c.length * head)),
                      rounded(arithmetic, numbers.floats(c.length * head))};
  const auto [wanted, largest] = plain_attention(c, o);
  const bool rounds = arithmetic.element < sizeof(float);
  const double bound = kScoreBound * largest + (rounds ? kBfloat16Bound : kFloat32Bound);
  std::vector<Operand> operands{{"values", &o.values, 1, c.head}};
  // A probability alone is 1; one of two, or of steep ones, is nearly 1 whatever moves.
  if (c.length > 2 && c.steepness == 1) {
    operands.push_back({"keys", &o.keys, 4, 3});
    operands.push_back({"query", &o.query, 4, 3});
  }
  compare_with_twins([&] { return attend(arithmetic, c, o); }, wanted, bound,
                     "attention of " + std::to_string(c.rows) + " queries to " +
                         std::to_string(c.length) + " tokens",
                     operands);
}

void test_attentions(const Arithmetic& arithmetic) {
  for (int length : {1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 200})
    for (int rows : {1, 2, 5, 9, 11, 12, 13, 16, 17, 28, 29, 32, 33, length})
      for (float steepness : {1.0f, 100.0f})
        if (rows <= length)
          test_attention(arithmetic, {rows, length, length % 2 ? 32 : 64, steepness});
}

// Rows: packing, the layer norm, tanh.

void test_pack(const Arithmetic& arithmetic) {
  const int rows = 21, width = 64, first = 5;
  Floats x = numbers.floats(rows * width);
  const Floats wanted = rounded(arithmetic, x);
  const auto pack = [&] {
    Buffer packed;
    reserve_rows(arithmetic, rows, width, packed);
    arithmetic.pack(x.data(), width, first, width, packed.data(), 0);
    arithmetic.pack(x.data() + first * width, width, rows - first, width, packed.data(), first);
    return unpack(arithmetic, packed, rows, width);
  };
  compare_with_twins(pack, {wanted.begin(), wanted.end()}, 0, "packing", {{"x", &x, 0.25f}});
}

void test_normalize(const Kernels& kernels, int rows, int width) {
  const int stride = padded(width);
  const float eps = 1e-5f;
  Floats x = numbers.floats(rows * stride, 100);
  Floats weight = numbers.floats(width), bias = numbers.floats(width);
  std::vector<double> wanted(x.begin(), x.end());
  for (int i = 0; i < rows; ++i) {
    double* row = &wanted[i * stride];
    double mean = 0, variance = 0;
    for (int j = 0; j < width; ++j) mean += row[j] / width;
    for (int j = 0; j < width; ++j) variance += (row[j] - mean) * (row[j] - mean) / width;
    for (int j = 0; j < width; ++j)
      row[j] = (row[j] - mean) / std::sqrt(variance + eps) * weight[j] + bias[j];
  }
  const auto kernel = [&] {
    Floats y = x;
    kernels.normalize(y.data(), stride, rows, width, weight.data(), bias.data(), eps);
    return y;
  };
  std::vector<Operand> operands{{"bias", &bias, 1}};
  if (width > 1) {  // a number is its own mean
    operands.push_back({"x", &x, 50});
    operands.push_back({"weight", &weight, 1});
  }
  compare_with_twins(kernel, wanted, kRowBound, "norm of width " + std::to_string(width),
                     operands);
}

void test_tanh(const Kernels& kernels) {
  const int rows = 3, width = 70, stride = padded(width);
  Floats x = numbers.floats(rows * stride);
  for (int j = 0; j < width; ++j) {
    x[j] = 0.01f * (j - 35);       // around 0, where the formula changes
    x[stride + j] = 3 * (j - 35);  // to where it is 1
    x[2 * stride + j] *= std::exp2(static_cast<float>(-j));
  }
  std::vector<double> wanted(x.size());
  std::transform(x.begin(), x.end(), wanted.begin(), [](float y) { return std::tanh(double(y)); });
  const auto kernel = [&] {
    Floats y = x;
    kernels.tanh(y.data(), stride, rows, width);
    return y;
  };
  compare_with_twins(kernel, wanted, kRowBound, "tanh", {{"x", &x, 0.01f}});
}

void test_kernels(const Kernels& kernels) {
  for (const Arithmetic* arithmetic : {kernels.float32, kernels.bfloat16}) {
    if (!arithmetic) continue;
    path = std::string(kernels.name) + " " + arithmetic->dtype;
    arithmetic->enter();
    test_pack(*arithmetic);
    test_products(*arithmetic);
    test_attentions(*arithmetic);
    arithmetic->leave();
    std::printf("%s ", path.c_str());
  }
  path = kernels.name;
  for (int width : {1, 24, 32, 500}) test_normalize(kernels, 3, width);
  test_tanh(kernels);
}

}  // namespace

int main() {
  for (const Kernels* kernels : available_kernels()) test_kernels(*kernels);
  std::printf("\n%ld comparisons and %ld twins, %ld failed\n", comparisons, twins, failures);
  return failures ? 1 : 0;
}
