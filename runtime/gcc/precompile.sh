#!/bin/sh
# precompile.sh FOLDER [HEADER...]: fills FOLDER with headers that are compiled in advance for the options of languages/cpp.toml,
# and a list of them, as languages/preamble.py reads it. With PLUGIN=none GCC does without instantiate.cc, whose compilation
# needs headers of GCC itself.
set -eu
into=$1
shift
here=$(dirname "$0")
build=$(mktemp -d)
plugin=
pragma=
if [ "${PLUGIN:-}" != none ]; then
  plugin=-fplugin=$build/instantiate.so
  pragma='#pragma executor instantiate'
  g++ -O2 -shared -fPIC -fno-rtti -I"$(g++ -print-file-name=plugin)/include" "$here/instantiate.cc" -o "$build/instantiate.so"
fi

# precompile PATH NAME MACROS: the header NAME as PATH, with MACROS defined, which are separated by commas.
precompile() {
  path=$into/$1
  mkdir -p "$(dirname "$path")"
  original=$(echo "#include <$2>" | g++ -std=gnu++20 -x c++ -M - | tr -s ' \\' '\n' | grep "/$2\$" | head -n 1)
  defines=$(echo "$3" | tr ',' '\n' | sed -n 's/..*/#define &/p')
  # Messages name the original.
  { echo "$defines"; echo "# 1 \"$original\" 3"; cat "$original"; echo "$pragma"; } >"$build/header"
  g++ -O2 -std=gnu++20 -fopenmp ${plugin:+"$plugin"} -x c++-header "$build/header" -o "$path.gch"
  { echo "$defines"; echo "#include <$2>"; } >"$path"
  g++ -std=gnu++20 -x c++ -M "$path" | tr -s ' \\' '\n' | grep '^/' | xargs python3 "$here/names.py" >"$build/names"
  echo "$1 $2 ,$3 $(cat "$build/names")" >>"$into/headers"
  if [ "$2" = bits/stdc++.h ]; then
    again "$path"
  fi
}

# again PATH: what stands for <bits/stdc++.h> in a program that starts with the header PATH and includes it once more. GCC
# would read all that it consists of, 50 ms, to find that it has that. <cassert> alone has to be read anew. Where the
# compiler passes the precompiled header over, this one goes on to the original.
again() {
  mkdir -p "$1.again/bits"
  cat >"$1.again/bits/stdc++.h" <<'END'
#pragma GCC system_header
#ifdef _GLIBCXX_VECTOR
#include <cassert>
#else
#include_next <bits/stdc++.h>
#endif
END
}

# The first is taken that a program includes: those that take longest to read stand first.
for header in ${*:-bits/stdc++.h debug/bits/stdc++.h chrono format regex iostream map string algorithm vector}; do
  case $header in
    debug/*) precompile "$header" "${header#debug/}" _GLIBCXX_DEBUG ;;
    *) precompile "$header" "$header" '' ;;
  esac
done
rm -r "$build"
