// Steps of training on tiles: rows through products, and back.
#pragma once

#include "tile_attention_training.h"
#include "tile_outer.h"
#include "tile_rows.h"
#include "tile_vocabulary.h"
#include "training.h"

namespace mobilebert {
namespace {

void pack_given(const RowsIn& x, int first, int rows, int width, void* packed) {
  const std::size_t at = static_cast<std::size_t>(first) * width;
  if (x.wide) {
    pack_rows_bfloat16(x.wide + at, width, rows, width, packed, 0);
  } else {
    pack_narrow(x.narrow + at, width, rows, width, packed, width);
  }
  clear_rest(packed, rows, width);
}

// Gradients of rows, [rows][width]: packed, and summed over the rows. Where `products` is given,
// they are summed too with what they are multiplied with: other rows in float32, or kept ones.
// Where `scaled` is given, it gets the gradients times factor.
struct Incoming {
  const float* grad;
  int rows, width;
  const float* others;
  const void* kept;
  const float* factor;
  float* scaled;
  float *sums, *products;
};

void take_in(const Incoming& in, void* packed, int packed_width) {
  const int width = in.width;
  for (int column = 0; column < width; column += kPanel) {
    const int step = column / kPanel;
    Vec sum[2] = {Vec::zero(), Vec::zero()}, product[2] = {Vec::zero(), Vec::zero()};
    Vec factor[2] = {Vec::zero(), Vec::zero()};
    if (in.scaled)
      factor[0] = Vec::load(in.factor + column), factor[1] = Vec::load(in.factor + column + 16);
    for (int row = 0; row < in.rows; ++row) {
      const std::size_t at = static_cast<std::size_t>(row) * width + column;
      const Vec g[2] = {Vec::load(in.grad + at), Vec::load(in.grad + at + 16)};
      Vec other[2] = {Vec::zero(), Vec::zero()};
      if (in.others) {
        other[0] = Vec::load(in.others + at), other[1] = Vec::load(in.others + at + 16);
      } else if (in.kept) {
        const __m512i x =
            _mm512_load_si512(packed_row(const_cast<void*>(in.kept), row, width, step));
        other[0] = low_half(x), other[1] = high_half(x);
      }
      for (int j = 0; j < 2; ++j) {
        sum[j] = sum[j] + g[j];
        product[j] = fma(g[j], other[j], product[j]);
        if (in.scaled) Vec::store(in.scaled + at + 16 * j, g[j] * factor[j]);
      }
      _mm512_store_si512(packed_row(packed, row, packed_width, step), to_bfloat16(g[0], g[1]));
    }
    add_to(in.sums + column, sum[0], sum[1]);
    if (in.products) add_to(in.products + column, product[0], product[1]);
  }
}

void sum_packed(const void* packed, int rows, int width, float* sums) {
  for (int step = 0; step < width / kPanel; ++step) {
    Vec sum[2] = {Vec::zero(), Vec::zero()};
    for (int row = 0; row < rows; ++row) {
      const __m512i x = _mm512_load_si512(packed_row(const_cast<void*>(packed), row, width, step));
      sum[0] = sum[0] + low_half(x);
      sum[1] = sum[1] + high_half(x);
    }
    add_to(sums + step * kPanel, sum[0], sum[1]);
  }
}

// The gradient passes where the activation was above 0; sums over the rows.
void pass_positive(void* grad, const void* kept, int rows, int width, float* sums) {
  for (int step = 0; step < width / kPanel; ++step) {
    Vec sum[2] = {Vec::zero(), Vec::zero()};
    for (int row = 0; row < rows; ++row) {
      char* to = packed_row(grad, row, width, step);
      const __m512i made = _mm512_load_si512(packed_row(const_cast<void*>(kept), row, width, step));
      const __m512i passed = _mm512_maskz_mov_epi16(
          _mm512_cmpgt_epi16_mask(made, _mm512_setzero_si512()), _mm512_load_si512(to));
      _mm512_store_si512(to, passed);
      sum[0] = sum[0] + low_half(passed);
      sum[1] = sum[1] + high_half(passed);
    }
    add_to(sums + step * kPanel, sum[0], sum[1]);
  }
  clear_rest(grad, rows, width);
}

// Adds left^T right, summed over packed rows, to sums in blocks.
void add_gradient(const void* left, int left_width, const void* right, int right_width, int rows,
                  Pieces pieces, float* sums) {
  const int all = whole(rows), steps = all / kPanel;
  char* pairs = pieces.take(static_cast<std::size_t>(all) * left_width * 2);
  char* columns = pieces.take(static_cast<std::size_t>(all) * left_width * 2);
  char* others = pieces.take(static_cast<std::size_t>(all) * right_width * 2);
  pair_rows(left, all, left_width, pairs);
  transpose_right(pairs, steps, left_width, columns);
  pair_rows(right, all, right_width, others);
  add_outer(columns, left_width, others, right_width, steps, sums);
}

Product product_of(const void* a, int rows, int depth, const void* right, int out,
                   const float* bias) {
  Product p{};
  p.a = a, p.rows = rows, p.depth = depth, p.b = right, p.last = out / kPanel, p.bias = bias;
  p.activation = Activation::kNone;
  return p;
}

void store_narrow(const float* x, int rows, int width, std::uint16_t* to) {
  for (std::size_t at = 0; at < static_cast<std::size_t>(rows) * width; at += kPanel)
    _mm512_storeu_si512(to + at, row_of(x + at));
}

void project_rows(const Projection& step, const void* right, const RowShare& rows) {
  void* kept = kept_row(step.kept, rows.first, step.in);
  pack_given(step.x, rows.first, rows.count, step.in, kept);
  const std::size_t at = static_cast<std::size_t>(rows.first) * step.out;
  Product p = product_of(kept, rows.count, step.in, right, step.out, step.bias);
  p.residual = step.residual + at, p.residual_stride = step.out, p.scale = step.factor;
  p.exact = step.result + at, p.exact_stride = step.out;
  multiply_bfloat16(p);
}

void project_gradient_rows(const ProjectionGradient& step, const void* right, const RowShare& rows,
                           const Sums& sums) {
  Pieces pieces(rows.scratch);
  const void* kept = kept_row(step.kept, rows.first, step.in);
  void* grad = pieces.take(static_cast<std::size_t>(whole(rows.count)) * step.out * 2);
  const std::size_t at = static_cast<std::size_t>(rows.first) * step.out;
  take_in({step.grad + at, rows.count, step.out, step.residual + at, nullptr, step.factor,
           step.to_residual ? step.to_residual + at : nullptr, sums.vector[0], sums.vector[1]},
          grad, step.out);
  clear_rest(grad, rows.count, step.out);
  if (step.to_x.wide || step.to_x.narrow) {
    const std::size_t from = static_cast<std::size_t>(rows.first) * step.in;
    Product p = product_of(grad, rows.count, step.out, right, step.in, rows.zeros);
    p.exact_stride = step.in;
    p.exact = step.to_x.wide
                  ? step.to_x.wide + from
                  : Pieces(pieces).take<float>(static_cast<std::size_t>(rows.count) * step.in * 4);
    multiply_bfloat16(p);
    if (step.to_x.narrow) store_narrow(p.exact, rows.count, step.in, step.to_x.narrow + from);
  }
  if (step.out <= step.in)
    add_gradient(grad, step.out, kept, step.in, rows.count, pieces, sums.matrix[0]);
  else
    add_gradient(kept, step.in, grad, step.out, rows.count, pieces, sums.matrix[0]);
}

void feed_forward_rows(const FeedForward& step, const void* widening, const void* narrowing,
                       const RowShare& rows) {
  void* kept = kept_row(step.kept_x, rows.first, step.narrow);
  void* wide = kept_row(step.kept_wide, rows.first, step.wide);
  const std::size_t at = static_cast<std::size_t>(rows.first) * step.narrow;
  pack_given({step.x, nullptr}, rows.first, rows.count, step.narrow, kept);
  Product p = product_of(kept, rows.count, step.narrow, widening, step.wide, step.bias);
  p.activation = Activation::kRelu, p.packed = wide, p.packed_width = step.wide;
  multiply_bfloat16(p);
  clear_rest(wide, rows.count, step.wide);
  p = product_of(wide, rows.count, step.wide, narrowing, step.narrow, step.folded_bias);
  p.residual = step.x + at, p.residual_stride = step.narrow, p.scale = step.factor;
  p.exact = step.result + at, p.exact_stride = step.narrow;
  multiply_bfloat16(p);
}

void feed_forward_gradient_rows(const FeedForwardGradient& step, const void* widening,
                                const void* narrowing, const RowShare& rows, const Sums& sums) {
  Pieces pieces(rows.scratch);
  const void* kept = kept_row(step.kept_x, rows.first, step.narrow);
  const void* wide = kept_row(step.kept_wide, rows.first, step.wide);
  const std::size_t at = static_cast<std::size_t>(rows.first) * step.narrow;
  const int all = whole(rows.count);
  void* grad = pieces.take(static_cast<std::size_t>(all) * step.narrow * 2);
  void* to_wide = pieces.take(static_cast<std::size_t>(all) * step.wide * 2);
  take_in({step.grad + at, rows.count, step.narrow, nullptr, kept, step.factor, nullptr,
           sums.vector[0], sums.vector[0] + step.narrow},
          grad, step.narrow);
  clear_rest(grad, rows.count, step.narrow);
  Product p = product_of(grad, rows.count, step.narrow, narrowing, step.wide, rows.zeros);
  p.packed = to_wide, p.packed_width = step.wide;
  multiply_bfloat16(p);
  pass_positive(to_wide, wide, rows.count, step.wide, sums.vector[1]);
  p = product_of(to_wide, rows.count, step.wide, widening, step.narrow, rows.zeros);
  p.residual = step.grad + at, p.residual_stride = step.narrow, p.scale = step.factor;
  p.exact = step.to_x + at, p.exact_stride = step.narrow;
  multiply_bfloat16(p);
  add_gradient(grad, step.narrow, wide, step.wide, rows.count, pieces, sums.matrix[0]);
  add_gradient(kept, step.narrow, to_wide, step.wide, rows.count, pieces, sums.matrix[1]);
}

void enter_rows(const Entry& step, const EntryRights& rights, const RowShare& rows) {
  void* kept = kept_row(step.kept_x, rows.first, step.stream);
  void* narrow = kept_row(step.kept_narrow, rows.first, step.narrow);
  const int width = step.query_key + step.value;
  const std::size_t first = rows.first;
  auto* joint = reinterpret_cast<float*>(rows.scratch);
  pack_given({step.x, nullptr}, rows.first, rows.count, step.stream, kept);
  Product p = product_of(kept, rows.count, step.stream, rights.own, step.narrow, step.own_bias);
  p.exact = step.residual + first * step.narrow, p.exact_stride = step.narrow;
  multiply_bfloat16(p);
  p = product_of(kept, rows.count, step.stream, rights.shared, step.narrow, step.shared_bias);
  p.packed = narrow, p.packed_width = step.narrow;
  multiply_bfloat16(p);
  clear_rest(narrow, rows.count, step.narrow);
  p = product_of(narrow, rows.count, step.narrow, rights.query_key, step.query_key,
                 step.query_key_bias);
  p.exact = joint, p.exact_stride = width;
  multiply_bfloat16(p);
  p = product_of(kept, rows.count, step.stream, rights.value, step.value, step.value_bias);
  p.exact = joint + step.query_key, p.exact_stride = width;
  multiply_bfloat16(p);
  store_narrow(joint, rows.count, width, step.joint + first * width);
}

void enter_gradient_rows(const EntryGradient& step, const void* readers, const void* query_key,
                         const RowShare& rows, const Sums& sums) {
  Pieces pieces(rows.scratch);
  const int all = whole(rows.count), joint = step.query_key + step.value;
  const int width = step.value + 2 * step.narrow;
  const std::size_t first = rows.first;
  const void* kept = kept_row(step.kept_x, rows.first, step.stream);
  const void* narrow = kept_row(step.kept_narrow, rows.first, step.narrow);
  // What reads the stream, side by side: values, the shared bottleneck, the residual's.
  char* parts = pieces.take(static_cast<std::size_t>(all) * width * 2);
  char* to_shared = parts + step.value / kPanel * kTileBytes;
  char* to_own = to_shared + step.narrow / kPanel * kTileBytes;
  char* to_query_key = pieces.take(static_cast<std::size_t>(all) * step.query_key * 2);
  const std::uint16_t* from = step.to_joint + first * joint;
  pack_narrow(from, joint, rows.count, step.query_key, to_query_key, step.query_key);
  clear_rest(to_query_key, rows.count, step.query_key);
  pack_narrow(from + step.query_key, joint, rows.count, step.value, parts, width);
  Product p =
      product_of(to_query_key, rows.count, step.query_key, query_key, step.narrow, rows.zeros);
  p.packed = to_shared, p.packed_width = width;
  multiply_bfloat16(p);
  const float* own = step.to_residual + first * step.narrow;
  for (int row = 0; row < rows.count; ++row)
    for (int panel = 0; panel < step.narrow / kPanel; ++panel, own += kPanel)
      _mm512_store_si512(packed_row(to_own, row, width, panel), row_of(own));
  clear_rest(parts, rows.count, width);
  sum_packed(parts, rows.count, width, sums.vector[0]);
  sum_packed(to_query_key, rows.count, step.query_key, sums.vector[1]);
  p = product_of(parts, rows.count, width, readers, step.stream, rows.zeros);
  p.exact = step.to_x + first * step.stream, p.exact_stride = step.stream;
  multiply_bfloat16(p);
  add_gradient(kept, step.stream, parts, width, rows.count, pieces, sums.matrix[0]);
  add_gradient(narrow, step.narrow, to_query_key, step.query_key, rows.count, pieces,
               sums.matrix[1]);
}

const Training kTraining{
    enter_tiles,
    leave_tiles,
    [](const float* weight, int out, int in, void* right) {
      pack_columns(weight, in, out, in, static_cast<char*>(right), in, 0);
    },
    [](const float* weight, int out, int in, void* right, int depth, int first) {
      pack_transposed(weight, in, out, in, static_cast<char*>(right), depth, first);
    },
    project_rows,
    project_gradient_rows,
    feed_forward_rows,
    feed_forward_gradient_rows,
    enter_rows,
    enter_gradient_rows,
    trained_attention_scratch,
    attend_rows,
    attention_gradient_rows,
    words_scratch,
    prepare_words,
    score_words,
    word_gradients,
};

}  // namespace
}  // namespace mobilebert
