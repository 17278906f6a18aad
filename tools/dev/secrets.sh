#!/bin/sh
# secrets.sh COMPILER LIBSODIUM FOLDER: no branch and no index on a secret, with the optimisation that we ship; FOLDER is for what is built.
# Valgrind must also find the branch that is planted: otherwise its silence says nothing.
set -eu
compiler=$1
libsodium=$2
folder=$3
cd "$(dirname "$0")/../.."

"$compiler" -std=c17 -D_GNU_SOURCE -DKITH_SECRET_TEST -O2 -gdwarf-4 -fPIE -pie -Wall -Wextra -Werror -Isrc -I. -isystem "$libsodium/include" \
    tests/secret/secrets.c libkith/crypto/*.c libkith/e2ee/*.c src/base/buf.c src/base/err.c src/base/id.c src/base/map.c src/base/prng.c src/base/slice.c src/wire/bodies.c src/wire/utf8.c "$libsodium/lib/libsodium.a" -lpthread \
    -o "$folder/secrets"
check() { valgrind --quiet --error-exitcode=99 --track-origins=yes --suppressions=tests/secret/public.supp "$folder/secrets" "$@"; }
check
if check planted >"$folder/planted" 2>&1; then
    echo "the planted branch was not found" >&2
    exit 1
fi
grep -q 'depends on uninitialised' "$folder/planted"
