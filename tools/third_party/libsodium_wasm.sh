#!/bin/sh
# libsodium_wasm.sh PREFIX: install libsodium 1.0.22 for wasm32-wasi (static, scalar) into PREFIX, from the same archive as libsodium.sh.
# Compiled for size, and to be linked as one piece with libkith: 10 kB less to download than with -O3, and X25519 and ML-KEM, 0.1 ms each in the
# module, take little longer. Not so much for size is what a passphrase takes a second of: Argon2id, and its BLAKE2b.
set -eu
prefix=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
flags="-flto -ffunction-sections -fdata-sections -ffile-prefix-map=$work/src=libsodium"
trap 'rm -rf "$work"' EXIT

cp -R "$here/libsodium" "$work/stub"
(cd "$work/stub" && cargo vendor --locked --versioned-dirs "$work/vendor" >/dev/null)

crate=$work/vendor/libsodium-sys-stable-1.24.3
echo "eb9873cc5ccd7b26ef058394264663c99e9c047b423be1ffd484071774198f26  $crate/LATEST.tar.gz" | sha256sum -c --quiet -
minisign -V -q -P RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3 -m "$crate/LATEST.tar.gz" -x "$crate/LATEST.tar.gz.minisig"

mkdir "$work/src"
tar xzf "$crate/LATEST.tar.gz" -C "$work/src" --strip-components=1
cd "$work/src"
./configure --quiet --host=wasm32-wasi --prefix="$prefix" --disable-shared --enable-static --disable-ssp --disable-pie --disable-asm \
    --without-pthreads --disable-dependency-tracking CC="clang-19 --target=wasm32-wasi" AR=llvm-ar-19 RANLIB=llvm-ranlib-19 \
    NM=llvm-nm-19 CFLAGS="-Oz $flags" >/dev/null
make -s -j2 -C src/libsodium >/dev/null
touch src/libsodium/crypto_pwhash/argon2/*.c src/libsodium/crypto_generichash/blake2b/ref/*.c
make -s -j2 -C src/libsodium install CFLAGS="-Os $flags" >/dev/null
cp LICENSE "$prefix/LICENSE"
