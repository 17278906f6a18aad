#!/bin/sh
# llhttp.sh PREFIX: install llhttp 9.4.3 (static) into PREFIX.
#
# No distribution package has version 9; the source archive of the Python package httptools carries its generated C files.
set -eu
prefix=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# pip runs the package's build script to learn its name; without isolation that script sees the pinned setuptools
# of this environment, and nothing is downloaded that has no hash.
"${KITH_PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$here/llhttp-build.txt"
"$work/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --no-build-isolation \
    --require-hashes -r "$here/llhttp.txt" -d "$work/download"

mkdir -p "$work/src" "$prefix/include" "$prefix/lib"
tar xzf "$work/download/httptools-0.9.0.tar.gz" -C "$work/src" --strip-components=3 httptools-0.9.0/vendor/llhttp
cd "$work/src"
for part in api http llhttp; do
    gcc -std=c99 -O2 -g -fPIC -fno-omit-frame-pointer -Iinclude -c "src/$part.c" -o "$part.o"
done
ar rcs "$prefix/lib/libllhttp.a" api.o http.o llhttp.o
cp include/llhttp.h "$prefix/include/"
cp LICENSE "$prefix/LICENSE"
