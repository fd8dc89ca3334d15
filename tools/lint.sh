#!/bin/sh
# Formatting of the whole tree, and clang-tidy on the C++ files that differ from a commit.
# Usage: lint.sh BUILD [BASE]   BASE: the last commit that was linted, or `all`. Default: the commit before this one.
set -eu
build=${1:?usage: $0 BUILD [BASE]}
base=${2:-}
cd "$(dirname "$0")/.."

git ls-files '*.cpp' '*.h' | xargs clang-format-22 --dry-run --Werror
echo "formatting: clean"

if [ "$base" = all ]; then
  files=$(git ls-files '*.cpp')
else
  [ -n "$base" ] || base=$(git rev-parse -q --verify HEAD~1 || git rev-parse HEAD)
  files=$(git diff --name-only --diff-filter=d "$base" -- '*.cpp')
fi
# Only what the build compiles: clang-tidy takes each file's flags from there.
checked=""
for file in $files; do
  if grep -q "/$file\"" "$build/compile_commands.json"; then checked="$checked $file"; fi
done
if [ -z "$checked" ]; then
  echo "clang-tidy: no source differs from $base"
  exit 0
fi
# Precompiled headers are left out: a build folder that was only configured has none, and where they are they were written
# for the compiler, with other flags. The headers themselves stay: `-include cmake_pch.hxx` is a file that cmake wrote.
mkdir -p "$build/lint"
sed -E 's/ -Xclang -include-pch -Xclang [^ "]+\.pch//g' "$build/compile_commands.json" > "$build/lint/compile_commands.json"
echo "$checked" | tr ' ' '\n' | grep . | xargs -P "$(nproc)" -n 1 sh -c '
  clang-tidy-22 -p "$0" --quiet --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument "$1" 2>/dev/null || { echo "clang-tidy: $1" >&2; exit 1; }' "$build/lint"
echo "clang-tidy: $(echo "$checked" | wc -w) files clean"
