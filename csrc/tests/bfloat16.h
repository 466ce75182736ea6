// Numbers in bfloat16, as tests make and read them.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace {

inline std::uint16_t bfloat16_bits(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float from_bfloat16(std::uint16_t narrow) {
  const std::uint32_t bits = static_cast<std::uint32_t>(narrow) << 16;
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

inline std::vector<std::uint16_t> bfloat16_bits(const std::vector<float>& x) {
  std::vector<std::uint16_t> bits(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) bits[i] = bfloat16_bits(x[i]);
  return bits;
}

inline std::vector<float> from_bfloat16(const std::vector<std::uint16_t>& bits) {
  std::vector<float> x(bits.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = from_bfloat16(bits[i]);
  return x;
}

}  // namespace
