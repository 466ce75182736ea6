#!/usr/bin/env bash
# Builds Python's module with AddressSanitizer and UndefinedBehaviorSanitizer, and runs the tests
# that call it as no `Engine` would, with whatever is wrong, or map damaged packs.
#
#   csrc/tests/bindings.sh [pytest arguments]
#
# Runs on Linux with GCC, under the Python that PYTHON names (python3), which needs the extra `test`
# of the package; pip fetches what builds the module. CXX is the compiler.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=csrc/tests/sanitizers.sh
source csrc/tests/sanitizers.sh
# shellcheck source=csrc/tests/emulated_tiles.sh
source csrc/tests/emulated_tiles.sh

compiler="${CXX:-g++}"
python="$(command -v "${PYTHON:-python3}")"
build="$(mktemp -d)"
trap 'rm -rf "$build"' EXIT

"$python" -m pip install --quiet --target "$build/tools" 'cmake>=3.24' ninja 'nanobind>=2.7'
tool() { PATH="$build/tools/bin:$PATH" PYTHONPATH="$build/tools" "$@"; }
tool cmake -G Ninja -S . -B "$build/module" -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1 $sanitized $unscoped" \
  -DMOBILEBERT_EMULATED_TILES="${emulated:+ON}" -DPython_EXECUTABLE="$python" \
  -Dnanobind_DIR="$(tool "$python" -m nanobind --cmake_dir)"
tool cmake --build "$build/module" -- --quiet

mkdir "$build/package"
cp -r src/mobilebert "$build/package"
rm -f "$build"/package/mobilebert/engine/_native*
cp "$build"/module/_native* "$build/package/mobilebert/engine"

# The interpreter was built without sanitizers, so theirs has to be there before it, and C++'s
# library with it, of which they watch the exceptions. The interpreter frees little when it ends:
# leaks say nothing. Its own allocator would hide what lies behind an object.
libraries="$("$compiler" -print-file-name=libasan.so) $("$compiler" -print-file-name=libstdc++.so)"
checked() {
  env LD_PRELOAD="$libraries" ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc \
    PYTHONPATH="$build/package" "$python" "$@"
}
checked -c "
from mobilebert.engine import _native
assert _native.__file__.startswith('$build'), _native.__file__"
# What a sanitizer says goes past pytest, but not past its workers. Where memory is exhausted it ends
# the program.
tests=tests/engine
checked -m pytest -q -p no:cacheprovider --capture=sys --numprocesses=0 \
  --deselect $tests/test_native_programs.py::test_exhausted_memory_is_an_exception \
  $tests/test_native_*.py $tests/test_needed_rows.py $tests/test_peaks.py \
  $tests/test_pack_file.py $tests/test_released_weights.py "$@"
