// Dense layers as the threads of a call do them together.
#pragma once

#include <algorithm>

#include "ranges.h"
#include "workspace.h"

namespace mobilebert {

// One thread's part. Either each thread has rows of its own, or all have the same rows and each
// computes some of the columns.
class Steps {
 protected:
  Steps(const Kernels& kernels, Barrier& barrier, int index, int size, bool by_columns)
      : kernels_(kernels), barrier_(barrier), index_(index), size_(size), by_columns_(by_columns) {}

  // Where threads split columns, a stage is whole only when all have done their part.
  void meet() {
    if (by_columns_) barrier_.wait();
  }

  Range my(int count) const { return by_columns_ ? share(count, index_, size_) : Range{0, count}; }

  void linear(const Linear& step, const void* a, int rows, Target target,
              const float* residual = nullptr, std::size_t residual_stride = 0,
              Activation activation = Activation::kNone) {
    // Whether the product leaves float32 rows, and the rest is done when rows are whole.
    const bool apart = step.norm.weight || (target.packed && (target.reader != step.arithmetic ||
                                                              target.reader->packs_whole_rows()));
    const Range panels = my(step.out / kPanel);
    Product product{};
    product.depth = step.in;
    product.b = step.weight;
    product.column_scale = step.column_scale;
    product.column_sum = step.column_sum;
    product.first = panels.first;
    product.last = panels.end;
    product.bias = step.bias;
    product.residual_stride = residual_stride;
    product.scale = step.scale;
    product.activation = activation;
    product.exact_stride = target.stride;
    product.packed = apart ? nullptr : target.packed;
    product.packed_width = step.out;
    if (step.next && fetches_) {
      const Range ahead = my(step.next->out / kPanel);
      product.next = static_cast<const char*>(step.next->weight) +
                     ahead.first * step.next->panel_bytes();
      product.next_bytes = ahead.size() * step.next->panel_bytes();
    }
    const bool few = target.packed && target.reader->packs_whole_rows() && !by_columns_;
    const int group = few ? kWholeRows : rows;
    for (int row = 0; row < rows; row += group) {
      Target part = target;
      if (target.keeps_exact) part.exact += row * target.stride;
      product.a = static_cast<const char*>(a) + row * step.arithmetic->row_bytes(step.in);
      product.rows = std::min(group, rows - row);
      product.residual = step.scale ? residual + row * residual_stride : nullptr;
      product.exact = apart || target.keeps_exact ? part.exact : nullptr;
      step.arithmetic->multiply(product);
      product.next_bytes = 0;  // what is next was fetched
      if (apart || !target.own) meet();
      if (apart) complete(step.norm, step.width, step.out, product.rows, part, row);
    }
  }

  // What needs whole rows: the norm, and packing as rows `row`, `row` + 1, ...
  void complete(const Norm& norm, int width, int padded_width, int rows, const Target& target,
                int row = 0) {
    const Range mine = my(rows);
    float* first = target.exact + mine.first * target.stride;
    if (norm.weight)
      kernels_.normalize(first, target.stride, mine.size(), width, norm.weight, norm.bias,
                         norm.eps);
    if (target.packed)
      target.reader->pack(first, target.stride, mine.size(), padded_width, target.packed,
                          row + mine.first);
    meet();
  }

  const Kernels& kernels_;
  Barrier& barrier_;
  const int index_, size_;
  bool by_columns_;
  bool fetches_ = true;
};

}  // namespace mobilebert
