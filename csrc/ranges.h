// Parts of rows and columns, as threads and blocks share them.
#pragma once

#include <algorithm>

namespace mobilebert {

// Below this many rows for a thread the weights are the larger part: threads then split the
// columns, so that each reads its own part of the weights only.
constexpr int kFewRows = 16;

// Rows that are computed before they are packed, where that takes whole rows: few, so that they are
// near, and enough for a block of two tiles. A multiple of every row unit.
constexpr int kWholeRows = 32;

struct Range {
  int first, end;
  int size() const { return end - first; }
};

inline Range share(int count, int index, int size) {
  const auto at = [&](long number) { return static_cast<int>(count * number / size); };
  return {at(index), at(index + 1)};
}

// A share in whole units, the last one as long as it is.
inline Range share_of(int count, int unit, int index, int size) {
  const Range units = share((count + unit - 1) / unit, index, size);
  return {std::min(units.first * unit, count), std::min(units.end * unit, count)};
}

}  // namespace mobilebert
