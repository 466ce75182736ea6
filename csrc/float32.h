// Kernels in float32, written once over the vector type `Vec` of an instruction set.
//
// Included by one file for each instruction set, after its `Vec`. Everything is in an unnamed
// namespace and uses no library templates: the linker must not merge code of two instruction sets.
//
// `Vec` has: kLanes, kColumns (vectors beside each other in a tile), kRows (most rows of a tile),
// zero, set, load, store, and the operators used below.
//
// Products and attention are written over words of 32 bits: one number, or a pair of narrower ones
// for an instruction that multiplies pairs. What kind of words says a type like `Floats`.

#include "activations.h"

namespace mobilebert {
namespace {

constexpr int kTile = Vec::kColumns * Vec::kLanes;
static_assert(kPanel % kTile == 0, "a panel is a whole number of tiles");

// c = a b + start + scale * residual, with any strides. Of `a` and `b` all is counted in words.
struct Dense {
  const float* a;
  std::size_t a_stride;
  int rows, depth;
  const float* b;
  std::size_t b_stride;      // between the rows of a panel, where they are regular
  std::size_t panel_stride;  // between panels
  int first, last;
  const float* bias;      // null: zeros
  const float* residual;  // null: none
  std::size_t residual_stride;
  const float* scale;
  Activation activation;
  float* c;  // null: only `packed` is wanted
  std::size_t c_stride;
  void* packed;  // null: not wanted; of words that are float32 `c` is all there is
  int packed_width;
  const float* next;  // what is read after b: worth fetching meanwhile; null: nothing
};

// Memory that is wanted soon, fetched a little in each step of a loop.
struct Wanted {
  const char* at;
  std::size_t stride;  // bytes a step

  void look() {
    __builtin_prefetch(at, 0, 2);
    at += stride;
  }
};

// Rows as the left matrix of a product.
struct Left {
  const float* words;
  std::size_t stride;
};

// Words that are numbers of float32.
struct Floats {
  static constexpr int kNumbers = 1;             // of a word
  static constexpr int kBeside = Vec::kLanes;    // words from a vector to the one at its right
  static const float* row(const Dense& p, const float* b, int d) { return b + d * p.b_stride; }
  static Vec multiply_add(Vec left, Vec right, Vec sum) { return fma(left, right, sum); }
  static Left left(const float* x, std::size_t stride, int, int, float*) { return {x, stride}; }
};

// Where the results of a tile go.
struct Place {
  float* c;
  std::size_t stride;
};

// One tile: R rows by kTile columns, held in registers over the whole depth. Every row is summed in
// the same order whatever R is, so a row's result does not depend on the rows beside it.
template <class Words, int R>
void tile(const Dense& p, int row, int column, const float* b, Place to, Wanted wanted) {
  constexpr int C = Vec::kColumns;
  Vec sum[R][C];
  for (int j = 0; j < C; ++j) {
    const Vec start = p.bias ? Vec::load(p.bias + column + j * Vec::kLanes) : Vec::zero();
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) sum[i][j] = start;
  }
  const float* a = p.a + row * p.a_stride;
  for (int d = 0; d < p.depth; ++d) {
    const float* at = Words::row(p, b, d);
    Vec right[C];
#pragma GCC unroll 4
    for (int j = 0; j < C; ++j) right[j] = Vec::load(at + j * Words::kBeside);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const Vec left = Vec::set(a[i * p.a_stride + d]);
#pragma GCC unroll 4
      for (int j = 0; j < C; ++j) sum[i][j] = Words::multiply_add(left, right[j], sum[i][j]);
    }
    wanted.look();
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < C; ++j) {
      const int at = column + j * Vec::kLanes;
      Vec y = sum[i][j];
      if (p.residual) {
        const Vec r = Vec::load(p.residual + (row + i) * p.residual_stride + at);
        y = fma(Vec::load(p.scale + at), r, y);
      }
      if (p.activation == Activation::kRelu) y = max(y, Vec::zero());
      Vec::store(to.c + i * to.stride + j * Vec::kLanes, y);
    }
  }
}

// The activations that are worth a pass of their own.
void activate_tile(Activation activation, Place to, int rows) {
  for (; rows > 0; --rows, to.c += to.stride)
    for (int j = 0; j < kTile; j += Vec::kLanes)
      Vec::store(to.c + j, activate(Vec::load(to.c + j), activation));
}

template <class Words, int R>
struct Tiles {
  static void run(int rows, const Dense& p, int row, int column, const float* b, Place to,
                  Wanted wanted) {
    if (rows == R)
      tile<Words, R>(p, row, column, b, to, wanted);
    else
      Tiles<Words, R - 1>::run(rows, p, row, column, b, to, wanted);
  }
};
template <class Words>
struct Tiles<Words, 0> {
  static void run(int, const Dense&, int, int, const float*, Place, Wanted) {}
};

template <class Words>
void multiply_dense(const Dense& p) {
  const int blocks = (p.rows + Vec::kRows - 1) / Vec::kRows;
  for (int panel = p.first; panel < p.last; ++panel) {
    for (int part = 0; part < kPanel; part += kTile) {
      const float* b = p.b + panel * p.panel_stride + part;
      const float* next = panel + 1 < p.last ? b + p.panel_stride : p.next ? p.next + part : b;
      const std::size_t bytes = next == b ? 0 : p.panel_stride * sizeof(float) / p.depth / blocks;
      for (int block = 0; block < blocks; ++block) {
        // Blocks of nearly one size: the arithmetic per byte of a small last one would be poor.
        const int row = static_cast<int>(static_cast<long>(p.rows) * block / blocks);
        const int end = static_cast<int>(static_cast<long>(p.rows) * (block + 1) / blocks);
        const int column = panel * kPanel + part;
        Place to{p.c + row * p.c_stride + column, p.c_stride};
        [[maybe_unused]] alignas(64) float room[Words::kNumbers > 1 ? Vec::kRows * kTile : 1];
        if constexpr (Words::kNumbers > 1)
          if (!p.c) to = {room, kTile};
        const Wanted wanted{reinterpret_cast<const char*>(next) + bytes * p.depth * block, bytes};
        Tiles<Words, Vec::kRows>::run(end - row, p, row, column, b, to, wanted);
        if (p.activation > Activation::kRelu) activate_tile(p.activation, to, end - row);
        if constexpr (Words::kNumbers > 1)
          if (p.packed)
            Words::pack(to.c, to.stride, end - row, kTile, p.packed, p.packed_width, row, column);
      }
    }
  }
}

template <class Words>
void multiply(const Product& p) {
  constexpr bool plain = Words::kNumbers == 1;
  Dense d{};
  d.a = static_cast<const float*>(p.a);
  d.a_stride = d.depth = p.depth / Words::kNumbers;
  d.rows = p.rows;
  d.b = static_cast<const float*>(p.b);
  d.b_stride = kPanel;
  d.panel_stride = static_cast<std::size_t>(d.depth) * kPanel;
  d.first = p.first;
  d.last = p.last;
  d.bias = p.bias;
  d.residual = p.residual;
  d.residual_stride = p.residual_stride;
  d.scale = p.scale;
  d.activation = p.activation;
  d.next = static_cast<const float*>(p.next);
  d.c = plain && !p.exact ? static_cast<float*>(p.packed) : p.exact;
  d.c_stride = plain && !p.exact ? p.packed_width : p.exact_stride;
  d.packed = p.packed;
  d.packed_width = p.packed_width;
  multiply_dense<Words>(d);
}

void pack_rows(const float* x, std::size_t stride, int rows, int width, void* packed, int first) {
  float* to = static_cast<float*>(packed) + static_cast<std::size_t>(first) * width;
  for (int row = 0; row < rows; ++row)
    for (int j = 0; j < width; ++j)
      to[static_cast<std::size_t>(row) * width + j] = x[row * stride + j];
}

// Keys are the right matrix of a product: tokens are its columns, in panels of words,
// [tokens / 32][words of a head][32].
template <class Words>
void pack_keys(const float* x, std::size_t stride, int rows, int head, int, void* keys, int first) {
  constexpr int kWords = kPanel / Words::kNumbers;
  const std::size_t panel = static_cast<std::size_t>(head / Words::kNumbers) * kPanel;
  for (int row = 0; row < rows; ++row) {
    const int token = first + row;
    float* to = static_cast<float*>(keys) + token / kPanel * panel + token % kPanel;
    for (int d = 0; d < head; d += kPanel) {
      alignas(64) float room[kPanel];
      const float* words = Words::left(x + row * stride + d, stride, 1, kPanel, room).words;
      for (int i = 0; i < kWords; ++i, to += kPanel) *to = words[i];
    }
  }
}

// Values are rows, [tokens][head].
void pack_values(const float* x, std::size_t stride, int rows, int head, int, void* values,
                 int first) {
  pack_rows(x, stride, rows, head, values, first);
}

// Turns a row of scores into powers of two of what is above their top; what lies behind `length`
// becomes 0, up to a whole panel. Returns one over their sum.
inline float exponentiate(float* x, int length) {
  const int whole = length / Vec::kLanes * Vec::kLanes, end = padded(length);
  float top = x[0];
  if (whole) {
    Vec most = Vec::load(x);
    for (int j = Vec::kLanes; j < whole; j += Vec::kLanes) most = max(most, Vec::load(x + j));
    top = largest(most);
  }
  for (int j = whole; j < length; ++j) top = x[j] > top ? x[j] : top;
  for (int j = length; j < end; ++j) x[j] = -1e30f;
  const Vec shift = Vec::set(top);
  Vec total = Vec::zero();
  for (int j = 0; j < end; j += Vec::kLanes) {
    const Vec score = Vec::load(x + j) - shift;
    // Beyond the text, and 126 powers of two below the top, nothing is left.
    const Vec y = select_less(score, Vec::set(-126.0f), Vec::zero(), power_of_two(score));
    Vec::store(x + j, y);
    total = total + y;
  }
  return 1.0f / sum(total);
}

// Queries whose scores are in memory at once.
constexpr int kQueries = 2 * Vec::kRows;

// Scores of so many queries; and if they and the queries are packed, both, and contexts in float32.
template <class Words>
std::size_t attention_scratch(int longest, int head) {
  const std::size_t strip = padded(longest);
  const std::size_t packed = Words::kNumbers == 1 ? 0 : (strip + head) / Words::kNumbers + head;
  return sizeof(float) * kQueries * (strip + packed);
}

template <class Words>
void attend(const Attention& t) {
  constexpr bool plain = Words::kNumbers == 1;
  const int strip = padded(t.length);
  float* strips = static_cast<float*>(t.scratch);
  float *probabilities = nullptr, *queries = nullptr, *contexts = nullptr;
  if constexpr (!plain) {
    probabilities = strips + static_cast<std::size_t>(kQueries) * strip;
    queries = probabilities + static_cast<std::size_t>(kQueries) * (strip / Words::kNumbers);
    contexts = queries + static_cast<std::size_t>(kQueries) * (t.head / Words::kNumbers);
  }
  float* exact = plain && !t.exact ? static_cast<float*>(t.context) : t.exact;
  for (int first = 0; first < t.rows; first += kQueries) {
    const int rows = t.rows - first < kQueries ? t.rows - first : kQueries;
    const Left query = Words::left(t.query + first * t.query_stride, t.query_stride, rows, t.head,
                                   queries);
    Dense scores{};
    scores.a = query.words;
    scores.a_stride = query.stride;
    scores.rows = rows;
    scores.depth = t.head / Words::kNumbers;
    scores.b = static_cast<const float*>(t.keys);
    scores.b_stride = kPanel;
    scores.panel_stride = static_cast<std::size_t>(scores.depth) * kPanel;
    scores.last = strip / kPanel;
    scores.c = strips;
    scores.c_stride = strip;
    multiply_dense<Words>(scores);
    float inverse_sums[kQueries];
    for (int row = 0; row < rows; ++row)
      inverse_sums[row] = exponentiate(strips + row * strip, t.length);
    const Left probability = Words::left(strips, strip, rows, strip, probabilities);
    const int row = t.first_row + first;
    Dense mixed{};
    mixed.a = probability.words;
    mixed.a_stride = probability.stride;
    mixed.rows = rows;
    mixed.depth = (t.length + Words::kNumbers - 1) / Words::kNumbers;
    mixed.b = static_cast<const float*>(t.values);
    mixed.b_stride = t.head;
    mixed.panel_stride = kPanel;
    mixed.last = t.head / kPanel;
    mixed.c = exact ? exact + static_cast<std::size_t>(row) * t.width + t.first_column : contexts;
    mixed.c_stride = exact ? t.width : t.head;
    multiply_dense<Words>(mixed);
    for (int i = 0; i < rows; ++i) {
      const Vec factor = Vec::set(inverse_sums[i]);
      for (int j = 0; j < t.head; j += Vec::kLanes) {
        float* at = mixed.c + i * mixed.c_stride + j;
        Vec::store(at, Vec::load(at) * factor);
      }
    }
    if constexpr (!plain)
      if (!exact)
        Words::pack(contexts, t.head, rows, t.head, t.context, t.width, row, t.first_column);
  }
}

inline void normalize(float* x, std::size_t stride, int rows, int width, const float* weight,
               const float* bias, float eps) {
  for (int row = 0; row < rows; ++row) {
    float* y = x + row * stride;
    double total = 0, squares = 0;
    for (int j = 0; j < width; ++j) total += y[j];
    const double mean = total / width;
    for (int j = 0; j < width; ++j) squares += (y[j] - mean) * (y[j] - mean);
    const double spread = 1.0 / __builtin_sqrt(squares / width + eps);
    for (int j = 0; j < width; ++j)
      y[j] = static_cast<float>((y[j] - mean) * spread) * weight[j] + bias[j];
  }
}

inline void apply_tanh(float* x, std::size_t stride, int rows, int width) {
  for (int row = 0; row < rows; ++row)
    for (int j = 0; j < padded(width); j += Vec::kLanes) {
      float* at = x + row * stride + j;
      Vec::store(at, hyperbolic_tangent(Vec::load(at)));
    }
}

void nothing() {}

const Arithmetic kFloat32{"float32",
                          sizeof(float),
                          1,
                          nothing,
                          nothing,
                          pack_rows,
                          multiply<Floats>,
                          pack_keys<Floats>,
                          pack_values,
                          attend<Floats>,
                          attention_scratch<Floats>,
                          1,
                          0,
                          Vec::kRows};

}  // namespace
}  // namespace mobilebert
