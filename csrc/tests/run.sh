#!/usr/bin/env bash
# Builds the fuzz target with a sanitizer and runs it.
#
#   csrc/tests/run.sh [address|thread|coverage] [seconds] [seed]
#
# address: AddressSanitizer and UndefinedBehaviorSanitizer; thread: ThreadSanitizer; coverage: lines
# that were run, by gcov.
set -euo pipefail
cd "$(dirname "$0")/.."

kind="${1:-address}"
seconds="${2:-60}"
seed="${3:-1}"
compiler="${CXX:-g++}"
build="$(mktemp -d)"
trap 'rm -rf "$build"' EXIT

case "$kind" in
  address) flags="-O1 -fsanitize=address,undefined -fno-sanitize-recover=all" ;;
  thread) flags="-O1 -fsanitize=thread" ;;
  coverage) flags="-O1 --coverage" ;;
  *)
    echo "Unknown kind $kind; choose address, thread or coverage." >&2
    exit 2
    ;;
esac
flags="$flags -g -std=c++17 -Wall -Wextra -pthread"
sources="tests/fuzz_encoder.cc cpu.cc encoder.cc isa_generic.cc threads.cc"
declare -A own=([isa_generic.cc]="-ffp-contract=off")
if [[ "$(uname -m)" == x86_64 ]]; then
  flags="$flags -DMOBILEBERT_X86"
  sources="$sources isa_avx2.cc isa_avx512.cc isa_amx.cc"
  own[isa_avx2.cc]="-mavx2 -mfma"
  own[isa_avx512.cc]="-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -Wno-maybe-uninitialized -Wno-uninitialized"
  own[isa_amx.cc]="${own[isa_avx512.cc]} -mavx512bf16 -mamx-tile -mamx-bf16"
fi
objects=""
for source in $sources; do
  object="$build/$(basename "$source" .cc).o"
  # shellcheck disable=SC2086
  "$compiler" $flags ${own[$source]:-} -c "$source" -o "$object" &
  objects="$objects $object"
done
wait
# shellcheck disable=SC2086
"$compiler" $flags $objects -o "$build/fuzz_encoder"
# ThreadSanitizer of older compilers cannot live with the address randomisation of newer kernels.
fixed=()
if [[ "$kind" == thread ]] && setarch "$(uname -m)" -R true 2>/dev/null; then
  fixed=(setarch "$(uname -m)" -R)
fi
"${fixed[@]}" "$build/fuzz_encoder" "$seconds" "$seed"
if [[ "$kind" == coverage ]]; then
  (cd "$build" && gcov -o . ./*.gcda 2>/dev/null) |
    grep -A1 "^File '.*\(encoder\|worker\|threads\|float32\|isa_\|cpu\|workspace\)" | grep -v '^--'
fi
