#!/usr/bin/env bash
# Builds the native tests and runs them: rounding, the kernels one by one, steps of training, then
# the fuzz target.
#
#   csrc/tests/run.sh [address|thread|coverage|plain] [amount] [seed]
#
# address: AddressSanitizer and UndefinedBehaviorSanitizer; thread: ThreadSanitizer; coverage: lines
# that were run, by gcov, at least 90 %; plain: as it is installed. The amount is seconds, or
# executions if an x follows it: 60 or 1000000x. Fails if another set of instruction sets ran than
# the processor reports. Where it has AVX512-BF16 and no AMX, tiles are emulated. CXX is the
# compiler, for this or another processor; RUNNER is put before each program, such as "qemu-aarch64
# -L /usr/aarch64-linux-gnu".
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=csrc/tests/sanitizers.sh
source tests/sanitizers.sh
# shellcheck source=csrc/tests/emulated_tiles.sh
source tests/emulated_tiles.sh

kind="${1:-address}"
amount="${2:-60}"
seed="${3:-1}"
compiler="${CXX:-g++}"
build="$(mktemp -d)"
trap 'rm -rf "$build"' EXIT

case "$kind" in
  address) flags="-O2 $sanitized" kernels="-O3 $unscoped" ;;
  thread) flags="-O2 -fsanitize=thread" kernels="" ;;
  coverage) flags="-O2 --coverage" kernels="" ;;
  plain) flags="-O3" kernels="" ;;
  *)
    echo "Unknown kind $kind; choose address, thread, coverage or plain." >&2
    exit 2
    ;;
esac
flags="$flags -g1 -std=c++17 -Wall -Wextra -pthread"
trained="test_trained_attention test_trained_vocabulary test_training"
tests="fuzz_encoder test_kernels test_rounding $trained"
sources="cpu.cc encoder.cc isa_generic.cc threads.cc training.cc"
declare -A own=([isa_generic.cc]="-ffp-contract=off")
machine="$("$compiler" -dumpmachine)"
if [[ "$machine" == x86_64* ]]; then
  flags="$flags -DMOBILEBERT_X86"
  sources="$sources isa_avx2.cc isa_avx512.cc isa_avx512vnni.cc isa_avx512vnni_bfloat16.cc"
  sources="$sources isa_avx512vnni_training.cc isa_amx.cc"
  own[isa_avx2.cc]="-mavx2 -mfma"
  own[isa_avx512.cc]="-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -Wno-maybe-uninitialized -Wno-uninitialized"
  own[isa_avx512vnni.cc]="${own[isa_avx512.cc]} -mavx512vnni"
  own[isa_avx512vnni_bfloat16.cc]="${own[isa_avx512.cc]} -mavx512bf16"
  own[isa_avx512vnni_training.cc]="${own[isa_avx512vnni_bfloat16.cc]}"
  own[isa_amx.cc]="${own[isa_avx512vnni_bfloat16.cc]} -mamx-tile -mamx-bf16 -mamx-int8"
  if [[ -n "$emulated" ]]; then
    flags="$flags -DMOBILEBERT_EMULATED_TILES"
    own[isa_amx.cc]="${own[isa_avx512vnni_bfloat16.cc]} -include tests/emulated_tiles.h"
  fi
elif [[ "$machine" == aarch64* || "$machine" == arm64* ]]; then
  flags="$flags -DMOBILEBERT_ARM64"
  sources="$sources isa_neon.cc isa_neon_bfloat16.cc"
  own[isa_neon.cc]="-ffp-contract=off"
  own[isa_neon_bfloat16.cc]="-march=armv8.2-a+bf16 -ffp-contract=off"
fi
objects=""
for source in $sources; do
  object="$build/$(basename "$source" .cc).o"
  optimize=""
  if [[ "$source" == isa_* ]]; then optimize="$kernels"; fi
  # shellcheck disable=SC2086
  "$compiler" $flags $optimize ${own[$source]:-} -c "$source" -o "$object" &
  objects="$objects $object"
done
for test in $tests; do
  # shellcheck disable=SC2086
  "$compiler" $flags -c "tests/$test.cc" -o "$build/$test.o" &
done
wait
for test in $tests; do
  # shellcheck disable=SC2086
  "$compiler" $flags "$build/$test.o" $objects -o "$build/$test"
done
# ThreadSanitizer of older compilers cannot live with the address randomisation of newer kernels.
read -ra runner <<<"${RUNNER:-}"
if [[ "$kind" == thread ]] && setarch "$(uname -m)" -R true 2>/dev/null; then
  runner=(setarch "$(uname -m)" -R)
fi
"${runner[@]}" "$build/test_rounding"
"${runner[@]}" "$build/test_kernels" | tee "$build/kernels"
brief=""
if [[ "$kind" == thread ]]; then brief="brief"; fi
for test in $trained; do
  "${runner[@]}" "$build/$test" $brief | tee "$build/$test.report"
done
"${runner[@]}" "$build/fuzz_encoder" "$amount" "$seed" | tee "$build/report"

# What Linux says the processor has; other systems say it elsewhere.
declare -A needs=(
  [generic]=""
  [avx2]="avx2 fma"
  [avx512]="avx512f avx512bw avx512vl avx512dq fma"
  [avx512vnni]="avx512f avx512bw avx512vl avx512dq fma avx512_vnni"
  [amx]="avx512f avx512bw avx512vl avx512dq fma avx512_bf16 amx_tile amx_bf16 amx_int8"
  [neon]=""
)
if [[ -r /proc/cpuinfo && "$machine" == "$(uname -m)"* ]]; then
  reported=" $(grep -m1 '^flags' /proc/cpuinfo || true)$emulated "
  wanted=""
  for source in $sources; do
    isa="$(sed -n 's/^isa_\(.*\)\.cc$/\1/p' <<< "$source")"
    if [[ -z "$isa" || -z "${needs[$isa]+known}" ]]; then continue; fi
    for flag in ${needs[$isa]}; do
      if [[ "$reported" != *" $flag "* ]]; then continue 2; fi
    done
    wanted="$wanted$isa"$'\n'
  done
  ran="$(sed -n 's/^instruction set \([a-z0-9]*\): [1-9].*/\1/p' "$build/report" | sort)"
  if [[ "$ran" != "$(sort <<< "${wanted%$'\n'}")" ]]; then
    echo "Ran:" $ran "but the processor reports:" $wanted >&2
    exit 1
  fi
  if [[ "$wanted" == *avx512vnni* && "$reported" == *" avx512_bf16 "* ]] &&
    ! grep -q "avx512vnni bfloat16" "$build/kernels"; then
    echo "The processor reports AVX512-BF16, but its products were not tested." >&2
    exit 1
  fi
  if [[ "$reported" == *" avx512_bf16 "* ]]; then
    for isa in avx512vnni amx; do
      for test in $trained; do
        if [[ "$wanted" == *$isa* ]] && ! grep -q "$isa trained" "$build/$test.report"; then
          echo "The processor reports what $isa needs to train, but $test did not try it." >&2
          exit 1
        fi
      done
    done
  fi
  echo "All instruction sets that the processor reports ran:" $ran ${emulated:+(AMX emulated)}
fi

if [[ "$kind" == coverage ]]; then
  # Of a header that several files include the summary has one line each; lines count once.
  (cd "$build" && gcov -o . ./*.gcda > summary 2>/dev/null)
  awk -v sources="$PWD/" -F"[:%' ]+" '
    /^File/ { file = $0; sub(/^File ./, "", file); sub(/.$/, "", file) }
    /^Lines executed/ && index(file, "/usr/") != 1 && file !~ /tests\// {
      printf "%-20s %6.2f %% of %d lines\n", file, $3, $5; all += $5; run += $3 / 100 * $5
    }
    END {
      printf "%-20s %6.2f %% of %d lines\n", "all", 100 * run / all, all
      exit run < 0.9 * all
    }' "$build/summary"
fi
