// Tiles: 16 rows of 64 bytes, 1 KiB in a row. AMX computes with them, and the layouts of bfloat16
// and int8 matrices are made of them also where there is no AMX.
#pragma once

#include <cstddef>

namespace mobilebert {
namespace {

constexpr int kRows16 = 16;  // rows of a tile
constexpr int kRowBytes = 64;
constexpr std::size_t kTileBytes = kRows16 * kRowBytes;
constexpr int kSums = kRows16 * kRows16;  // numbers of a tile of sums, 32 bits each

}  // namespace
}  // namespace mobilebert
