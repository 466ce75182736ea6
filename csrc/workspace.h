// Memory that a call works in; kept between calls and grown when a call needs more.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "encoder.h"

namespace mobilebert {

// Rows that go through a whole layer together, so that what they leave behind stays in the cache.
constexpr int kBlock = 128;

inline std::size_t up_to(std::size_t count, std::size_t unit) {
  return (count + unit - 1) / unit * unit;
}

// Bytes, aligned to 64; zeros where it grows: padded rows and columns are read.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void reserve(std::size_t bytes) {
    if (bytes <= size_) return;
    std::free(data_);
    data_ = nullptr;
    size_ = 0;
    bytes = up_to(bytes, 64);
    data_ = static_cast<char*>(std::aligned_alloc(64, bytes));
    if (!data_) throw std::bad_alloc();
    std::memset(data_, 0, bytes);
    size_ = bytes;
  }
  char* data() const { return data_; }
  float* floats() const { return reinterpret_cast<float*>(data_); }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

// Rows as float32 and as the arithmetic of the products that read them packs them; in float32 both
// are the same memory.
class Rows {
 public:
  void reserve(std::size_t rows, int width, const Arithmetic& arithmetic) {
    width_ = width;
    reader_ = &arithmetic;
    shared_ = arithmetic.element == sizeof(float);
    rows = up_to(rows, arithmetic.row_unit);
    exact_.reserve(rows * width * sizeof(float));
    if (!shared_) packed_.reserve(rows * arithmetic.row_bytes(width));
  }
  int width() const { return width_; }
  const Arithmetic& reader() const { return *reader_; }
  float* exact(int row = 0) const {
    return exact_.floats() + static_cast<std::size_t>(row) * width_;
  }
  // `row` is a multiple of the arithmetic's row unit.
  char* packed(int row = 0) const {
    return (shared_ ? exact_ : packed_).data() + row * reader_->row_bytes(width_);
  }

 private:
  int width_ = 0;
  const Arithmetic* reader_ = nullptr;
  bool shared_ = true;
  Buffer exact_, packed_;
};

// Where the result of a dense layer goes.
struct Target {
  float* exact;
  std::size_t stride;
  bool keeps_exact;  // otherwise `exact` is room to work in
  void* packed;      // null: not wanted, or the same as `exact`
  const Arithmetic* reader;
  bool own = false;  // where threads split columns, each reads those only that it wrote
};
inline Target both(const Rows& rows, int row = 0) {
  const bool same = rows.packed(row) == reinterpret_cast<char*>(rows.exact(row));
  return {rows.exact(row), static_cast<std::size_t>(rows.width()), true,
          same ? nullptr : rows.packed(row), &rows.reader()};
}
inline Target only_packed(const Rows& rows) {
  Target target = both(rows);
  target.keeps_exact = !target.packed;
  return target;
}
inline Target only_exact(float* rows, std::size_t stride) {
  return {rows, stride, true, nullptr, nullptr};
}

// What one thread needs for a block; shared by all where they split columns.
struct Scratch {
  Rows input, shared, projected, context, inner;
  Buffer placed;

  void reserve(const Program& p, std::size_t rows) {
    const Arithmetic &arithmetic = *p.arithmetic, &inside = *p.inside;
    const Linear& transformation = p.embedding.transformation;
    if (transformation) input.reserve(rows, transformation.in, *transformation.arithmetic);
    placed.reserve(sizeof(float) * rows * p.stream);
    shared.reserve(rows, p.narrow, inside);
    projected.reserve(rows, p.heads_width, arithmetic);
    context.reserve(rows, p.heads_width, inside);
    inner.reserve(rows, p.inner, inside);
  }
};

// What is kept of rows from one stage of a layer to the next.
class States {
 public:
  Rows stream;
  Rows narrow;  // the residual inside a layer, replaced by each of its networks in turn

  void reserve(std::size_t rows, const Program& p) {
    stream.reserve(rows, p.stream, *p.streamed);
    narrow.reserve(rows, p.narrow, *p.inside);
    converts_ = p.inside != p.streamed;
    if (converts_) converted_.reserve(rows, p.narrow, *p.streamed);
  }
  // The last result inside a layer, as the output bottleneck reads it.
  const Rows& leaving() const { return converts_ ? converted_ : narrow; }

 private:
  bool converts_ = false;
  Rows converted_;
};

struct Workspace {
  States states;
  Buffer query;                         // [tokens][heads], float32
  Buffer keys[2], values[2];            // a layer's are read while the next layer's are written
  std::vector<std::size_t> key_starts;  // of each text in `keys` and `values`, in tokens
  std::vector<std::unique_ptr<Scratch>> scratch;
  std::vector<std::unique_ptr<Buffer>> attention;  // of each thread
  std::vector<int> needed;        // rows whose last state is wanted, rising; empty: all
  States last;                    // of these
  Buffer pooled;
  Rows chosen, transformed;
};

}  // namespace mobilebert
