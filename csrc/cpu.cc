#include "cpu.h"

#if defined(MOBILEBERT_X86)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(MOBILEBERT_ARM64)
#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#endif

namespace mobilebert {
namespace {

#if defined(MOBILEBERT_X86)
// Which register states the operating system saves (XCR0).
unsigned long long saved_states() {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<unsigned long long>(high) << 32) | low;
}

struct Features {
  bool avx2 = false;
  bool avx512 = false;
  bool avx512vnni = false;
  bool avx512bf16 = false;
  bool amx = false;
};

// Tile registers are large: Linux hands them out to processes that ask (arch_prctl(2)).
[[maybe_unused]] bool tiles_granted() {
#if defined(__linux__)
  constexpr int kRequest = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
#else
  return false;
#endif
}

constexpr bool bit(unsigned value, int number) { return (value >> number) & 1; }

Features features() {
  Features found;
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return found;
  const bool fma = bit(c, 12), os_saves = bit(c, 27), avx = bit(c, 28);
  if (!os_saves || !avx || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
  const unsigned long long states = saved_states();
  const bool ymm = (states & 0x6) == 0x6, zmm = (states & 0xe6) == 0xe6;
  found.avx2 = ymm && fma && bit(b, 5);
  // F, DQ, BW and VL: all that are in servers since Skylake, and in Zen 4.
  found.avx512 = found.avx2 && zmm && bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31);
  found.avx512vnni = found.avx512 && bit(c, 11);
  // Tiles, with products of bfloat16 and of int8.
  [[maybe_unused]] const bool tiles =
      (states & 0x60000) == 0x60000 && bit(d, 22) && bit(d, 24) && bit(d, 25);
  if (!found.avx512 || !__get_cpuid_count(7, 1, &a, &b, &c, &d)) return found;
  found.avx512bf16 = bit(a, 5);
#if defined(MOBILEBERT_EMULATED_TILES)
  found.amx = found.avx512bf16;  // tests/emulated_tiles.h
#else
  found.amx = found.avx512bf16 && tiles && tiles_granted();
#endif
  return found;
}

// AVX-512 VNNI, with products in bfloat16 and training too.
const Kernels& avx512vnni_with_bfloat16() {
  static const Kernels kernels = [] {
    Kernels both = kAvx512Vnni;
    both.bfloat16 = &kAvx512Bfloat16;
    both.training = &avx512_bfloat16_training();
    return both;
  }();
  return kernels;
}
#elif defined(MOBILEBERT_ARM64)
// FEAT_BF16: products in bfloat16. NEON itself is in the baseline.
bool multiplies_bfloat16() {
#if defined(__linux__)
  constexpr unsigned long kBf16 = 1ul << 14;  // HWCAP2_BF16 (Documentation/arch/arm64/elf_hwcaps)
  return getauxval(AT_HWCAP2) & kBf16;
#elif defined(__APPLE__)
  int has = 0;
  std::size_t size = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_BF16", &has, &size, nullptr, 0) == 0 && has;
#else
  return false;
#endif
}
#endif

}  // namespace

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> kernels{&kGeneric};
#if defined(MOBILEBERT_X86)
  static const Features found = features();
  if (found.avx2) kernels.push_back(&kAvx2);
  if (found.avx512) kernels.push_back(&kAvx512);
  if (found.avx512vnni)
    kernels.push_back(found.avx512bf16 ? &avx512vnni_with_bfloat16() : &kAvx512Vnni);
  if (found.amx) kernels.push_back(&kAmx);
#elif defined(MOBILEBERT_ARM64)
  static const bool bfloat16 = multiplies_bfloat16();
  kernels.push_back(bfloat16 ? &kNeonBfloat16 : &kNeon);
#endif
  return kernels;
}

}  // namespace mobilebert
