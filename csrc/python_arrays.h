// Arrays that come from Python: what kinds there are, and checks that end in Python exceptions.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace mobilebert {

namespace nb = nanobind;

using Floats = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<const std::int8_t, nb::c_contig, nb::device::cpu>;
using Halves = nb::ndarray<const std::uint16_t, nb::c_contig, nb::device::cpu>;
using Integers = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Results = nb::ndarray<float, nb::c_contig, nb::device::cpu>;

[[noreturn]] inline void refuse(const std::string& what) { throw nb::value_error(what.c_str()); }

inline void check_size(std::size_t found, std::size_t wanted, const char* name) {
  if (found != wanted)
    refuse(std::string(name) + " has " + std::to_string(found) + " numbers, not " +
           std::to_string(wanted) + ".");
}

template <class Array>
void check_aligned(const Array& array, const char* name) {
  if (reinterpret_cast<std::uintptr_t>(array.data()) % sizeof(*array.data()))
    refuse(std::string(name) + " is not aligned.");
}

// An array as it is: what would have to be converted is refused.
template <class Array>
Array array_of(nb::handle value, const char* name) {
  Array array;
  if (!nb::try_cast<Array>(value, array, /*convert=*/false))
    refuse(std::string(name) + " is no contiguous array of the element type that is wanted here.");
  check_aligned(array, name);
  return array;
}

inline void check_ids(const Integers& ids, std::size_t count, int least, int rows,
                      const char* name) {
  check_size(ids.size(), count, name);
  check_aligned(ids, name);
  for (std::size_t i = 0; i < count; ++i)
    if (ids.data()[i] < least || ids.data()[i] >= rows)
      refuse(std::string(name) + " holds " + std::to_string(ids.data()[i]) + "; allowed are 0 to " +
             std::to_string(rows - 1) + ".");
}

// Where texts begin among tokens, and the last one ends.
inline void check_starts(const Integers& starts, std::size_t tokens) {
  check_aligned(starts, "starts");
  if (!starts.size() || starts.data()[0] != 0 ||
      starts.data()[starts.size() - 1] != static_cast<std::int64_t>(tokens) ||
      !std::is_sorted(starts.data(), starts.data() + starts.size()))
    refuse("starts must rise from 0 to the number of tokens.");
}

}  // namespace mobilebert
