// Programs and batches of random shape and content, for the fuzz target.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "../encoder.h"

namespace mobilebert {

// Reads choices from the input; behind its end come zeros.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool exhausted() const { return at_ >= size_; }
  int below(int count) {
    const int value = at_ < size_ ? data_[at_] : 0;
    ++at_;
    return value % count;
  }
  int between(int least, int most) { return least + below(most - least + 1); }
  bool one_in(int count) { return below(count) == count - 1; }

 private:
  const std::uint8_t* data_;
  std::size_t size_, at_ = 0;
};

class Numbers {
 public:
  explicit Numbers(std::uint32_t seed) : state_(seed * 2654435761u + 1) {}
  float next() {  // in [-1, 1)
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<float>(static_cast<std::int32_t>(state_)) * (1.0f / 2147483648.0f);
  }
  int below(int count) {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<int>((static_cast<std::uint64_t>(state_) * count) >> 32);
  }

 private:
  std::uint32_t state_;
};

// A program with its weights, which live in blocks of exactly their size, so that a sanitizer sees
// a step beyond them.
class RandomProgram {
 public:
  RandomProgram(Choices& choose, const Kernels& kernels, int positions)
      : numbers_(choose.between(0, 255)) {
    p_.arithmetic = kernels.bfloat16 && choose.below(4) ? kernels.bfloat16 : kernels.float32;
    p_.inside = kernels.int8 && choose.below(2) ? kernels.int8 : p_.arithmetic;
    p_.streamed = choose.below(2) ? p_.inside : p_.arithmetic;
    p_.activation = static_cast<Activation>(1 + choose.below(5));
    wild_ = choose.one_in(16);
    norm_ = choose.one_in(2);
    const bool bottleneck = !choose.one_in(4);
    p_.stream = width(choose);
    p_.stream_width = p_.stream - choose.below(kPanel);
    p_.narrow = bottleneck ? width(choose) : p_.stream;
    p_.inner = width(choose);
    p_.head = kPanel * mostly_one(choose, 2);
    p_.embedding.positions = positions;
    embedding(choose);
    for (int layers = choose.one_in(8) ? 0 : mostly_one(choose, 3); layers > 0; --layers)
      layer(choose, bottleneck);
    heads(choose, kernels);
  }
  const Program& program() const { return p_; }
  // Whether results are numbers: wild weights overflow.
  bool finite() const { return !wild_; }

 private:
  // Mostly the smallest: more takes long and shows little more.
  static int mostly_one(Choices& choose, int most) {
    return choose.one_in(6) ? choose.between(2, most) : 1;
  }
  static int width(Choices& choose) { return kPanel * mostly_one(choose, 4); }

  const float* floats(std::size_t count, float scale, float offset = 0) {
    blocks_.emplace_back(new float[count]);
    for (std::size_t i = 0; i < count; ++i) blocks_.back()[i] = offset + scale * numbers_.next();
    return blocks_.back().get();
  }

  const void* weight(std::size_t count, float scale, const Arithmetic* arithmetic) {
    if (wild_) scale *= 1e15f;
    if (arithmetic->element == sizeof(float)) return floats(count, scale);
    if (arithmetic->element == 1) {
      bytes_.emplace_back(new std::int8_t[count]);
      for (std::size_t i = 0; i < count; ++i)
        bytes_.back()[i] = static_cast<std::int8_t>(127 * numbers_.next());
      return bytes_.back().get();
    }
    halves_.emplace_back(new std::uint16_t[count]);
    for (std::size_t i = 0; i < count; ++i) {
      const float value = scale * numbers_.next();
      std::uint32_t bits;
      std::memcpy(&bits, &value, 4);
      halves_.back()[i] = static_cast<std::uint16_t>(bits >> 16);
    }
    return halves_.back().get();
  }

  Linear linear(int in, int out, bool adds, bool norm, const Arithmetic* arithmetic) {
    Linear step;
    step.in = in;
    step.out = out;
    step.width = out == p_.stream ? p_.stream_width : out;
    step.arithmetic = arithmetic;
    const std::size_t unit = arithmetic->depth_unit, depth = (in + unit - 1) / unit * unit;
    step.weight = weight(depth * out, 1.0f / std::sqrt(float(in)), arithmetic);
    if (arithmetic->element == 1) {
      step.column_scale = floats(out, 0.1f / 127);
      step.column_sum = floats(out, 500);
    }
    step.bias = floats(out, 0.3f);
    if (adds) step.scale = floats(out, 0.3f, 1.0f);
    if (norm) step.norm = {floats(step.width, 0.3f, 1.0f), floats(step.width, 0.3f), 1e-5f};
    return step;
  }

  void embedding(Choices& choose) {
    Embedding& e = p_.embedding;
    e.vocabulary = choose.between(1, 40);
    e.types = choose.between(1, 3);
    const bool transforms = !choose.one_in(4);
    e.trigram = transforms && !choose.one_in(4);
    e.width = transforms ? choose.between(1, 40) : p_.stream_width;
    e.words = floats(static_cast<std::size_t>(e.vocabulary) * e.width, 1);
    e.position_rows = floats(static_cast<std::size_t>(e.positions) * p_.stream, 1);
    e.type_rows = floats(static_cast<std::size_t>(e.types) * p_.stream, 1);
    if (transforms)
      e.transformation =
          linear(padded((e.trigram ? 3 : 1) * e.width), p_.stream, true, norm_, p_.arithmetic);
    else if (norm_)
      e.norm = {floats(p_.stream_width, 0.3f, 1.0f), floats(p_.stream_width, 0.3f), 1e-5f};
  }

  void layer(Choices& choose, bool bottleneck) {
    const Arithmetic *a = p_.streamed, *inside = p_.inside;
    Layer layer;
    layer.heads = mostly_one(choose, 3);
    layer.reads = bottleneck ? static_cast<Reads>(choose.below(3)) : Reads::kStream;
    if (bottleneck) {
      layer.input_bottleneck = linear(p_.stream, p_.narrow, false, norm_, a);
      layer.output_bottleneck = linear(p_.narrow, p_.stream, true, norm_, a);
    }
    if (layer.reads == Reads::kSharedBottleneck)
      layer.attention_bottleneck = linear(p_.stream, p_.narrow, false, norm_, a);
    const int queried = layer.reads == Reads::kStream ? p_.stream : p_.narrow;
    const int width = layer.heads * p_.head;
    const Arithmetic* asked = layer.reads == Reads::kStream ? a : inside;
    layer.query = linear(queried, width, false, false, asked);
    layer.key = linear(queried, width, false, false, asked);
    const bool narrow = layer.reads == Reads::kBottleneck;
    layer.value =
        linear(narrow ? p_.narrow : p_.stream, width, false, false, narrow ? inside : a);
    layer.attention_output = linear(width, p_.narrow, true, norm_, inside);
    for (int networks = mostly_one(choose, 3); networks > 0; --networks)
      layer.feed_forward.push_back({linear(p_.narrow, p_.inner, false, false, inside),
                                    linear(p_.inner, p_.narrow, true, norm_, inside)});
    p_.layers.push_back(layer);
  }

  // The small heads are in float32.
  void heads(Choices& choose, const Kernels& kernels) {
    p_.pools = choose.one_in(2);
    if (p_.pools && !choose.one_in(4))
      p_.pooler = linear(p_.stream, p_.stream, false, false, kernels.float32);
    if (choose.one_in(2)) {
      p_.transform = linear(p_.stream, p_.stream, false, true, p_.arithmetic);
      p_.vocabulary =
          linear(p_.stream, kPanel * choose.between(1, 4), false, false, p_.arithmetic);
    }
    if (choose.one_in(2)) p_.projection = linear(p_.stream, kPanel, false, false, kernels.float32);
  }

  Numbers numbers_;
  bool norm_ = false, wild_ = false;
  Program p_;
  std::deque<std::unique_ptr<float[]>> blocks_;
  std::deque<std::unique_ptr<std::uint16_t[]>> halves_;
  std::deque<std::unique_ptr<std::int8_t[]>> bytes_;
};

// The arrays of a RaggedBatch, for a program's tables.
struct Batch {
  std::vector<std::int32_t> ids, positions, types, following, previous, starts{0}, wanted;

  int texts() const { return static_cast<int>(starts.size()) - 1; }
  int tokens() const { return starts.back(); }

  void add(int length, const Embedding& tables, Numbers& numbers) {
    const std::size_t first = ids.size(), end = first + length;
    for (int i = 0; i < length; ++i) {
      ids.push_back(numbers.below(tables.vocabulary));
      positions.push_back(i);
      types.push_back(numbers.below(tables.types));
    }
    for (std::size_t i = first; i < end; ++i) {
      following.push_back(i + 1 < end ? ids[i + 1] : -1);
      previous.push_back(i > first ? ids[i - 1] : -1);
    }
    starts.push_back(static_cast<std::int32_t>(end));
  }

  Batch only(int text) const {
    Batch one;
    const auto cut = [&](const std::vector<std::int32_t>& all) {
      return std::vector<std::int32_t>(all.begin() + starts[text], all.begin() + starts[text + 1]);
    };
    one.ids = cut(ids);
    one.positions = cut(positions);
    one.types = cut(types);
    one.following = cut(following);
    one.previous = cut(previous);
    one.starts.push_back(starts[text + 1] - starts[text]);
    return one;
  }
};

}  // namespace mobilebert
