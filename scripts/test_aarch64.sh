#!/usr/bin/env bash
# Compiles the engine for 64-bit Arm Linux and tests it under qemu, on a machine of another kind.
#
#   scripts/test_aarch64.sh [--seconds N] [--root DIR [pytest arguments]]
#   scripts/test_aarch64.sh --make-root DIR
#
# The native tests run on a processor without and on one with products in bfloat16 (FEAT_BF16), with
# N seconds (10) of fuzzing on each. With --root the tests of tests/engine run too, under the Python
# of that directory, which --make-root fills; they take the better part of
# an hour, most of it in test_accuracy.py and test_choosing_dtype.py.
# CXX is another cross compiler than aarch64-linux-gnu-g++; MIRROR another Debian mirror.
set -euo pipefail
cd "$(dirname "$0")/.."

compiler="${CXX:-aarch64-linux-gnu-g++}"
plain=cortex-a72
bfloat16=max
python=3.11 # of Debian's release
release=bookworm

fail() {
  echo "$*" >&2
  exit 2
}

# need COMMAND PACKAGE...
need() {
  command -v "$1" >/dev/null ||
    fail "$1 is needed: install Debian's packages ${*:2} (apt-get install ${*:2})."
}

# A directory with Debian's Python for Arm, and the wheels that the tests need.
make_root() {
  need debootstrap debootstrap
  need python3 python3 python3-pip
  [[ ! -e "$1" ]] || fail "$1 exists; name a directory that does not."
  debootstrap --arch=arm64 --foreign --variant=minbase --include=python3,libpython3-dev \
    "$release" "$1" ${MIRROR:+"$MIRROR"}
  # Nothing in it is run to install it: unpacked is enough.
  for package in "$1"/var/cache/apt/archives/*.deb; do dpkg-deb -x "$package" "$1"; done
  local platforms=() version
  for version in 2014 _2_17 _2_27 _2_28; do platforms+=(--platform "manylinux${version}_aarch64"); done
  python3 -m pip install --target "$1/wheels" --only-binary :all: --implementation cp \
    --python-version "$python" "${platforms[@]}" \
    'numpy>=1.26' 'tokenizers>=0.22,<0.24' 'safetensors>=0.4.3' 'huggingface_hub>=0.34,<3' \
    'click>=8.1' 'tqdm>=4.66' 'nanobind>=2.7' pytest pytest-xdist hypothesis
}

native_tests() {
  local libraries
  # Where the compiler keeps the C library of Arm: its parent has lib/ld-linux-aarch64.so.1.
  libraries="$(dirname "$("$compiler" -print-file-name=ld-linux-aarch64.so.1)")"
  [[ -e "$libraries/ld-linux-aarch64.so.1" ]] ||
    fail "$compiler has no C library for Arm; install Debian's package libc6-dev-arm64-cross."
  cat >"$work/runner" <<RUNNER
#!/bin/sh -e
for processor in $plain $bfloat16; do
  echo "-- on \$processor"
  qemu-aarch64 -cpu \$processor -L $(dirname "$libraries") "\$@"
done
RUNNER
  chmod +x "$work/runner"
  echo "== Native tests"
  CXX="$compiler" RUNNER="$work/runner" csrc/tests/run.sh plain "$1" | tee "$work/said"
  for path in "generic float32" "neon float32" "neon bfloat16"; do
    grep -q "$path" "$work/said" || fail "$path did not run."
  done
}

python_tests() {
  local root="$1"
  shift
  cat >"$work/python" <<PYTHON
#!/bin/sh
PYTHONHOME=$root/usr PYTHONPATH=$work/package:$root/wheels PYTHONDONTWRITEBYTECODE=1 \\
  exec qemu-aarch64 -cpu $bfloat16 -L $root $root/usr/bin/python$python "\$@"
PYTHON
  chmod +x "$work/python"
  echo "== Building the native module"
  cmake -G Ninja -S . -B "$work/build" -DCMAKE_SYSTEM_NAME=Linux \
    -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_CXX_FLAGS="-idirafter $root/usr/include" -DPython_EXECUTABLE="$work/python" \
    -DPython_INCLUDE_DIR="$root/usr/include/python$python" \
    -Dnanobind_DIR="$root/wheels/nanobind/cmake"
  cmake --build "$work/build"
  mkdir "$work/package"
  cp -r src/mobilebert "$work/package"
  rm -f "$work"/package/mobilebert/engine/_native*
  cp "$work"/build/_native*.so "$work/package/mobilebert/engine/"
  local tests
  # PyTorch under qemu is slow to load, and its wheel large.
  mapfile -t tests < <(grep -L -E '^ *(import|from) torch' tests/engine/test_*.py)
  echo "== Python tests on $bfloat16"
  # What tests start has to run under qemu too. It heeds no limit of memory.
  "$work/python" -c "import sys, pytest
sys.executable = '$work/python'
sys.exit(pytest.main())" -p no:cacheprovider --numprocesses=0 "${tests[@]}" \
    --deselect tests/engine/test_native_programs.py::test_exhausted_memory_is_an_exception "$@"
}

seconds=10
root=""
case "${1:-}" in
  --make-root)
    [[ $# == 2 ]] || fail "--make-root needs a directory."
    make_root "$2"
    exit
    ;;
  --seconds)
    seconds="${2:?--seconds needs a number}"
    shift 2
    ;;
esac
if [[ "${1:-}" == --root ]]; then
  root="$(realpath "${2:?--root needs a directory}")"
  shift 2
  need cmake cmake
  need ninja ninja-build
  [[ -x "$root/usr/bin/python$python" && -d "$root/wheels" ]] ||
    fail "$root has no Python $python and wheels; make it with scripts/test_aarch64.sh --make-root."
elif [[ $# -gt 0 ]]; then
  fail "Unknown argument $1; see the first lines of $0."
fi

need "$compiler" g++-aarch64-linux-gnu qemu-user
need qemu-aarch64 g++-aarch64-linux-gnu qemu-user
[[ "$("$compiler" -dumpmachine)" == aarch64* ]] ||
  fail "$compiler compiles for $("$compiler" -dumpmachine), not for aarch64; set CXX to one that does."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
native_tests "$seconds"
if [[ -n "$root" ]]; then python_tests "$root" "$@"; fi
echo "== All passed"
