// AVX-512 with VNNI: products of int8, everything else as with AVX-512.
#include "kernels.h"
#include "vec_avx512.h"
#include "float32.h"
#include "int8.h"

#include <cstring>

namespace mobilebert {
namespace {

constexpr int kRows8 = 8;  // 8 x 2 sums are more than the latency of the instruction asks for

// R rows by one panel, held in registers over the whole depth.
template <int R, bool kAdds>
void block(const Product& p, const Columns& columns, int row, int panel, Wanted wanted) {
  const int tiles = deep_tiles(p.depth);
  const char* group = static_cast<const char*>(p.a) + row / kRows16 * group_bytes(p.depth);
  const char* a = group + row % kRows16 * kDeep;
  const char* b = panel_of(p, panel);
  __m512i sum[R][2];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) sum[i][0] = sum[i][1] = _mm512_setzero_si512();
  for (int tile = 0; tile < tiles; ++tile, a += kTileBytes, b += 2 * kTileBytes)
    for (int four = 0; four < kDeep; four += 4) {
      const __m512i right[2] = {_mm512_loadu_si512(b + four * 16),
                                _mm512_loadu_si512(b + kTileBytes + four * 16)};
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i) {
        std::int32_t numbers;
        std::memcpy(&numbers, a + i * kDeep + four, sizeof numbers);
        const __m512i left = _mm512_set1_epi32(numbers);
        sum[i][0] = _mm512_dpbusd_epi32(sum[i][0], left, right[0]);
        sum[i][1] = _mm512_dpbusd_epi32(sum[i][1], left, right[1]);
      }
      wanted.look();
    }
  const float* scales = group_scales(group, p.depth) + row % kRows16;
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
    finish_row<kAdds>(p, columns, sum[i][0], sum[i][1], row + i, panel * kPanel, scales[i],
                      scales[kRows16 + i]);
}

template <int R, bool kAdds>
struct Blocks {
  static void run(int rows, const Product& p, const Columns& columns, int row, int panel,
                  Wanted wanted) {
    if (rows == R)
      block<R, kAdds>(p, columns, row, panel, wanted);
    else
      Blocks<R - 1, kAdds>::run(rows, p, columns, row, panel, wanted);
  }
};
template <bool kAdds>
struct Blocks<0, kAdds> {
  static void run(int, const Product&, const Columns&, int, int, Wanted) {}
};

template <bool kAdds>
void multiply_panels(const Product& p) {
  const int blocks = (p.rows + kRows8 - 1) / kRows8;
  const int steps = deep_tiles(p.depth) * kDeep / 4;  // of a block
  for (int panel = p.first; panel < p.last; ++panel) {
    const Columns columns(p, panel);
    const char* here = panel_of(p, panel);
    const char* next = panel + 1 < p.last ? panel_of(p, panel + 1)
                       : p.next           ? static_cast<const char*>(p.next)
                                          : here;
    const std::size_t step = next == here ? 0 : 2 * kRowBytes / blocks;
    for (int row = 0; row < p.rows; row += kRows8) {
      const int rows = p.rows - row < kRows8 ? p.rows - row : kRows8;
      const Wanted wanted{next + step * steps * (row / kRows8), step};
      Blocks<kRows8, kAdds>::run(rows, p, columns, row, panel, wanted);
    }
  }
}

void multiply_int8(const Product& p) {
  if (p.residual)
    multiply_panels<true>(p);
  else
    multiply_panels<false>(p);
}

const Arithmetic kInt8{"int8",  1,       kRows16, nothing, nothing, pack_rows_int8, multiply_int8,
                       nullptr, nullptr, nullptr, nullptr, kDeep,   kRowExtra};

}  // namespace

const Kernels kAvx512Vnni{"avx512vnni", &kFloat32, nullptr, normalize, apply_tanh, &kInt8};

}  // namespace mobilebert
