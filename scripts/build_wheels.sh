#!/usr/bin/env bash
# Builds the sdist, this platform's wheel and the pure-Python wheel, and checks each in a fresh
# environment outside the source tree.
#
#   scripts/build_wheels.sh [directory]      (default: dist)
#
# The pure wheel is for Windows and others: without the engine, on numpy. cibuildwheel makes the
# wheels that are published ([tool.cibuildwheel] of pyproject.toml, .github/workflows/wheels.yml).
# Needs Python (3.11 or newer) and a C++ compiler; PYTHON names another interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

root="$PWD"
python="${PYTHON:-python3}"
mkdir -p "${1:-dist}"
dist="$(cd "${1:-dist}" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

echo "== Build"
"$python" -m venv "$work/build"
"$work/build/bin/python" -m pip install --quiet build
rm -f "$dist"/mobilebert-*
"$work/build/bin/python" -m build --sdist --outdir "$dist" . > "$work/build.log" 2>&1 ||
  { cat "$work/build.log" >&2 && exit 1; }
sdist="$(echo "$dist"/mobilebert-*.tar.gz)"
mkdir "$work/source"
tar -xzf "$sdist" -C "$work/source" --strip-components=1
# Wheels are made of the sdist, as others will make them: what it lacks is noticed here.
for cmake in true false; do
  (cd "$work/source" && "$work/build/bin/python" -m build --wheel --outdir "$dist" \
    "-Cwheel.cmake=$cmake" . > "$work/build.log" 2>&1) || { cat "$work/build.log" >&2 && exit 1; }
done
pure="$(echo "$dist"/mobilebert-*-py3-none-any.whl)"
platform="$(find "$dist" -name 'mobilebert-*.whl' ! -name '*-py3-none-any.whl')"
if [[ ! -f "$platform" ]]; then
  echo "The platform's wheel was not built: did the compiler fail?" >&2
  cat "$work/build.log" >&2
  exit 1
fi
ls -l "$dist"

# check NAME FILE ENGINE: installs FILE and runs check_wheel.py, which is told whether there is an
# engine.
check() {
  "$python" -m venv "$work/$1"
  (cd "$work" && "$work/$1/bin/python" -m pip install --quiet --constraint "$root/constraints.txt" \
    "$2" && "$work/$1/bin/python" "$root/scripts/check_wheel.py" "$3")
}

echo "== The platform's wheel: $(basename "$platform")"
check platform "$platform" compiled
echo "== The pure-Python wheel: $(basename "$pure")"
check pure "$pure" absent
echo "== The sdist without a compiler"
mkdir "$work/nowhere"
CXX="$work/nowhere/c++" CC="$work/nowhere/cc" check without_compiler "$sdist" absent
echo "== All passed"
