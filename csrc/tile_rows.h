// Packed rows of training, and the memory of a thread.
#pragma once

#include "packed_tiles.h"
#include "training.h"

namespace mobilebert {
namespace {

// Memory of a thread, piece by piece.
class Pieces {
 public:
  explicit Pieces(char* at) : at_(at) {}
  template <class Number = char>
  Number* take(std::size_t bytes) {
    char* piece = at_;
    at_ += (bytes + kRowBytes - 1) / kRowBytes * kRowBytes;
    return reinterpret_cast<Number*>(piece);
  }

 private:
  char* at_;
};

inline int whole(int rows) { return (rows + kKeptUnit - 1) / kKeptUnit * kKeptUnit; }

// Where the kept row `first` is, a multiple of 16.
inline const void* kept_row(const void* kept, int first, int width) {
  return static_cast<const char*>(kept) + static_cast<std::size_t>(first) * width * 2;
}
inline void* kept_row(void* kept, int first, int width) {
  return static_cast<char*>(kept) + static_cast<std::size_t>(first) * width * 2;
}

// Sums over rows must not meet what memory held before.
void clear_rest(void* packed, int rows, int width) {
  for (int row = rows; row < whole(rows); ++row)
    for (int step = 0; step < width / kPanel; ++step)
      _mm512_store_si512(packed_row(packed, row, width, step), _mm512_setzero_si512());
}

inline Vec low_half(__m512i row) {
  return {_mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(row)), 16))};
}
inline Vec high_half(__m512i row) {
  return {_mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(row, 1)), 16))};
}

inline void add_to(float* sums, Vec low, Vec high) {
  Vec::store(sums, Vec::load(sums) + low);
  Vec::store(sums + 16, Vec::load(sums + 16) + high);
}

// Rows in bfloat16 with a stride: packed.
void pack_narrow(const std::uint16_t* rows, std::size_t stride, int count, int width, void* packed,
                 int packed_width) {
  for (int row = 0; row < count; ++row, rows += stride)
    for (int step = 0; step < width / kPanel; ++step)
      _mm512_store_si512(packed_row(packed, row, packed_width, step),
                         _mm512_loadu_si512(rows + step * kPanel));
}

}  // namespace
}  // namespace mobilebert
