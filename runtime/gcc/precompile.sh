#!/bin/sh
# precompile.sh FOLDER: what languages/c.toml and cpp.toml find there: headers that were compiled in advance, for the options of
# cpp.toml, a list of them, and a linker that takes half of the usual one's time.
set -eu
into=$1
here=$(dirname "$0")
build=$(mktemp -d)
g++ -O2 -shared -fPIC -fno-rtti -I"$(g++ -print-file-name=plugin)/include" "$here/instantiate.cc" -o "$build/instantiate.so"

# precompile PATH NAME MACROS: the header NAME as PATH, with MACROS defined, which are separated by commas.
precompile() {
  path=$into/ahead/$1
  mkdir -p "$(dirname "$path")"
  original=$(echo "#include <$2>" | g++ -std=gnu++20 -x c++ -M - | tr -s ' \\' '\n' | grep "/$2\$" | head -n 1)
  defines=$(echo "$3" | tr ',' '\n' | sed -n 's/..*/#define &/p')
  # Messages name the original.
  { echo "$defines"; echo "# 1 \"$original\" 3"; cat "$original"; echo '#pragma executor instantiate'; } >"$build/header"
  g++ -O2 -std=gnu++20 -fopenmp -fplugin="$build/instantiate.so" -x c++-header "$build/header" -o "$path.gch"
  { echo "$defines"; echo "#include <$2>"; } >"$path"
  g++ -std=gnu++20 -x c++ -M "$path" | tr -s ' \\' '\n' | grep '^/' | xargs python3 "$here/names.py" >"$build/names"
  echo "$1 $2 ,$3 $(cat "$build/names")" >>"$into/ahead/headers"
}

# The first is taken that a program includes: those that take longest to read stand first.
precompile bits/stdc++.h bits/stdc++.h ''
precompile debug/bits/stdc++.h bits/stdc++.h _GLIBCXX_DEBUG
for name in chrono format regex iostream map string algorithm vector; do
  precompile "$name" "$name" ''
done
ln -s /usr/bin/ld.gold "$into/ld"
rm -r "$build"
