// The instructions of AMX in AVX-512, so that code for tiles runs on processors without them.
//
// Compiled before isa_amx.cc and peak_amx.cc (-include). Results are those of the instructions, bit
// by bit: TDPBF16PS adds the products of even places and those of odd places apart, each rounded,
// and then both sums to the tile (Intel's Software Developer's Manual, volume 2). All tiles are
// taken to be whole, as amx_registers.h configures them.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace mobilebert {
namespace {

struct alignas(64) EmulatedTile {
  std::uint8_t rows[16][64];
};
thread_local EmulatedTile emulated_tiles[8];

inline void emulated_load(int tile, const void* from, std::size_t stride) {
  for (int i = 0; i < 16; ++i)
    std::memcpy(emulated_tiles[tile].rows[i], static_cast<const char*>(from) + i * stride, 64);
}

inline void emulated_store(int tile, void* to, std::size_t stride) {
  for (int i = 0; i < 16; ++i)
    std::memcpy(static_cast<char*>(to) + i * stride, emulated_tiles[tile].rows[i], 64);
}

inline void emulated_zero(int tile) { emulated_tiles[tile] = {}; }

// The bfloat16 numbers at even (or odd) places of 32-bit words, as float32.
inline __m512 even_numbers(__m512i words) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
}
inline __m512 odd_numbers(__m512i words) {
  return _mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32(-65536)));
}

inline void emulated_bfloat16_products(int sums, int left, int right) {
  for (int row = 0; row < 16; ++row) {
    __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
    for (int pair = 0; pair < 16; ++pair) {
      int words;
      std::memcpy(&words, emulated_tiles[left].rows[row] + 4 * pair, 4);
      const __m512i a = _mm512_set1_epi32(words);
      const __m512i b = _mm512_load_si512(emulated_tiles[right].rows[pair]);
      even = _mm512_fmadd_ps(even_numbers(a), even_numbers(b), even);
      odd = _mm512_fmadd_ps(odd_numbers(a), odd_numbers(b), odd);
    }
    float* to = reinterpret_cast<float*>(emulated_tiles[sums].rows[row]);
    _mm512_store_ps(to, _mm512_add_ps(_mm512_load_ps(to), _mm512_add_ps(even, odd)));
  }
}

inline void emulated_byte_products(int sums, int left, int right) {
  for (int row = 0; row < 16; ++row) {
    std::int32_t total[16];
    std::memcpy(total, emulated_tiles[sums].rows[row], sizeof total);
    for (int four = 0; four < 16; ++four)
      for (int column = 0; column < 16; ++column)
        for (int i = 0; i < 4; ++i)
          total[column] +=
              emulated_tiles[left].rows[row][4 * four + i] *
              static_cast<std::int8_t>(emulated_tiles[right].rows[four][4 * column + i]);
    std::memcpy(emulated_tiles[sums].rows[row], total, sizeof total);
  }
}

}  // namespace
}  // namespace mobilebert

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#undef _tile_dpbusd
#define _tile_loadd(tile, from, stride) ::mobilebert::emulated_load(tile, from, stride)
#define _tile_stored(tile, to, stride) ::mobilebert::emulated_store(tile, to, stride)
#define _tile_zero(tile) ::mobilebert::emulated_zero(tile)
#define _tile_dpbf16ps(a, b, c) ::mobilebert::emulated_bfloat16_products(a, b, c)
#define _tile_dpbusd(a, b, c) ::mobilebert::emulated_byte_products(a, b, c)
#define _tile_loadconfig(configuration) static_cast<void>(configuration)
#define _tile_release() static_cast<void>(0)
