#!/bin/sh
# wasm_tests.sh LIBSODIUM OUT: compile each tests/malicious/test_*.c to the WASI program OUT/test_*.wasm, and tests/wasm/cmocka/fails.c to
# OUT/fails.wasm, as tests/wasm/run_tests.mjs runs them. The C files are the native build's; only cmocka is tests/wasm/cmocka/cmocka.h.
set -eu
libsodium=$1
out=$2
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
rm -f "$out"/*.wasm

# The stack of the module itself (wasm.sh): what its callers do here must fit into it, too. It is below all else, so that one that is too
# deep traps. The memory is a limit for the whole of a test.
stack_bytes=131072
memory_bytes=67108864

compile() {
    ${KITH_CCACHE-$(command -v ccache || true)} clang-19 --target=wasm32-wasi -std=c17 -D_GNU_SOURCE -O2 -g1 -ffunction-sections -fdata-sections \
        -ffile-prefix-map="$PWD/=" -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wvla -Wundef -Wwrite-strings -Wstrict-prototypes \
        -Wmissing-prototypes -isystem tests/wasm/cmocka -Isrc -I. -isystem "$libsodium/include" -c "$1" -o "$work/$(basename "$1" .c).o"
}

parts=
for source in libkith/*.c libkith/crypto/*.c libkith/e2ee/*.c libkith/wasm/module/system.c src/base/buf.c src/base/err.c src/base/id.c src/base/map.c src/base/prng.c \
    src/base/slice.c src/wire/bodies.c src/wire/code.c src/wire/json_flat.c src/wire/json_text.c src/wire/stomp.c src/wire/stomp_writer.c src/wire/utf8.c tests/e2e/*.c tests/malicious/*.c tests/wasm/cmocka/fails.c; do
    compile "$source"
    case $source in
        */test_*.c | */fails.c) ;;
        *) parts="$parts $work/$(basename "$source" .c).o" ;;
    esac
done
for program in "$work"/test_*.o "$work/fails.o"; do
    name=$(basename "$program" .o).wasm
    # shellcheck disable=SC2086
    clang-19 --target=wasm32-wasi "$program" $parts "$libsodium/lib/libsodium.a" -Wl,--gc-sections,--stack-first -Wl,-z,stack-size=$stack_bytes \
        -Wl,--max-memory=$memory_bytes -o "$work/$name"
    mv "$work/$name" "$out/$name"
done
