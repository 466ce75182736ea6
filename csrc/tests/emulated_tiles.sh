# Whether AMX is emulated (emulated_tiles.h): where the processor has AVX512-BF16 and no tiles. Other
# scripts read this one.
# shellcheck disable=SC2034
emulated=""  # what the processor would report besides
if [[ -r /proc/cpuinfo ]] && grep -q '^flags.* avx512_bf16' /proc/cpuinfo &&
  ! grep -q '^flags.* amx_bf16' /proc/cpuinfo; then
  emulated=" amx_tile amx_bf16 amx_int8"
fi
