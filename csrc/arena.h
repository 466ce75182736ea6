// One block of memory for all weights, in the order in which they are read.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace mobilebert {

// Rows of tiles must not straddle cache lines, and prefetching stops at the border of a page: in
// large pages the weights of a layer stream a tenth faster than in small ones, and several times
// faster than from where numpy happens to put them (multiples of 16 bytes).
class Arena {
 public:
  static constexpr std::size_t kLine = 64, kLargePage = std::size_t{2} << 20;

  static std::size_t room(std::size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

  Arena() = default;
  ~Arena() { std::free(data_); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // For what `room` says of every piece, in all.
  void reserve(std::size_t bytes) {
    const std::size_t unit = bytes < kLargePage ? kLine : kLargePage;
    data_ = static_cast<char*>(std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit));
    if (!data_) throw std::bad_alloc();
#if defined(__linux__)
    if (unit == kLargePage) madvise(data_, bytes, MADV_HUGEPAGE);  // where it fails: small pages
#endif
  }

  // Gives the memory of read-only pages of a file back: they can be read again, but were only read
  // to be copied.
  static void drop_pages(const void* from, std::size_t bytes) {
#if defined(__linux__)
    const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto at = reinterpret_cast<std::uintptr_t>(from);
    const std::uintptr_t first = (at + page - 1) / page * page, end = (at + bytes) / page * page;
    if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
#else
    (void)from, (void)bytes;
#endif
  }

  template <class T>
  const T* copy(const T* from, std::size_t bytes) {
    char* to = data_ + used_;
    std::memcpy(to, from, bytes);
    used_ += room(bytes);
    return reinterpret_cast<const T*>(to);
  }
  const void* copy(const void* from, std::size_t bytes) {
    return copy(static_cast<const char*>(from), bytes);
  }

 private:
  char* data_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace mobilebert
