#!/bin/sh
# wasm.sh LIBSODIUM FOLDER: compile libkith to WebAssembly, against the libsodium that tools/third_party/libsodium_wasm.sh made.
# FOLDER/kith.wasm has the door to a client, FOLDER/kith-ops.wasm the operations that test vectors run through, made of the same objects.
# The same C files as the native build; the same bytes on every machine with these versions of clang and wasi-libc.
set -eu
libsodium=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."
root=$PWD
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT

files=
for file in libkith/*.c libkith/crypto/*.c libkith/e2ee/*.c libkith/wasm/*.c libkith/wasm/module/*.c src/base/buf.c src/base/err.c \
    src/base/id.c src/base/map.c src/base/slice.c src/wire/bodies.c src/wire/code.c src/wire/json_flat.c src/wire/json_text.c \
    src/wire/stomp.c src/wire/stomp_writer.c src/wire/utf8.c; do
    files="$files $root/$file"
done
cd "$objects"
# As one piece, a copy of memory as a call, and that with the instruction for it: 6 kB less to download.
size="-Oz -flto -fno-builtin-memcpy -mbulk-memory"
# shellcheck disable=SC2086
clang-19 --target=wasm32-wasi -std=c17 -D_GNU_SOURCE $size -fvisibility=hidden -ffunction-sections -fdata-sections -ffile-prefix-map="$root/=" \
    -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wvla -Wundef -Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes \
    -I"$root/libkith/wasm/module" -I"$root/src" -I"$root" -isystem "$libsodium/include" -c $files

# link NAME OBJECT...: the stack comes first, so that one that is too deep ends the module and writes over nothing.
link() {
    name=$1
    shift
    # Without -O: with it clang would run whatever wasm-opt a machine has, or none, and no two modules were the same.
    clang-19 --target=wasm32-wasi -flto -mexec-model=reactor "$@" "$libsodium/lib/libsodium.a" -Wl,--gc-sections,--strip-all,--stack-first \
        -Wl,-z,stack-size=262144 -o "$out/$name.part"
    mv "$out/$name.part" "$out/$name"
}
mv module_ops.o module_ops.kept
link kith.wasm ./*.o
mv module_ops.kept module_ops.o
rm module_door.o
link kith-ops.wasm ./*.o
