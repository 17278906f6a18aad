#!/bin/sh
# wasm.sh LIBSODIUM OUT: compile the crypto core to the WebAssembly module OUT, against the libsodium that tools/third_party/libsodium_wasm.sh made.
# The same C files as the native build; the same bytes on every machine with these versions of clang and wasi-libc.
set -eu
libsodium=$1
out=$2
cd "$(dirname "$0")/../.."
mkdir -p "$(dirname "$out")"

clang-19 --target=wasm32-wasi -mexec-model=reactor -std=c17 -D_GNU_SOURCE -O2 -fvisibility=hidden -ffunction-sections -fdata-sections \
    -ffile-prefix-map="$PWD/=" -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wvla -Wundef -Wwrite-strings -Wstrict-prototypes \
    -Wmissing-prototypes -Isrc -I. -isystem "$libsodium/include" \
    libkith/crypto/*.c libkith/e2ee/*.c libkith/wasm/*.c libkith/wasm/module/*.c src/base/buf.c src/base/err.c src/base/slice.c src/wire/utf8.c \
    "$libsodium/lib/libsodium.a" -Wl,--gc-sections,--strip-all -Wl,-z,stack-size=131072 -o "$out.part"
mv "$out.part" "$out"
