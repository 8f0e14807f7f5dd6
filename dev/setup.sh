#!/bin/sh
# Makes .venv with the pinned requirements, using nothing but a Python.
set -eu

uv_version=0.13.9
python=${PYTHON:-python3}

fail() {
    echo "make setup: $*" >&2
    exit 1
}

no_packages() { # the output of the installer
    case $1 in
    *[Ff]etch* | *dns* | *resol* | *onnect* | *etwork* | *timed\ out* | *matching\ distribution*)
        fail "the packages can't be downloaded: connect to the network, or name a mirror (UV_DEFAULT_INDEX, PIP_INDEX_URL)"
        ;;
    esac
    fail "the packages can't be installed: $1"
}

[ -w . ] || fail "$PWD can't be written: copy the checkout to a folder of your own"
command -v "$python" >/dev/null || fail "no $python here: install Python 3.11 or newer, or name one (PYTHON=...)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" -V) is too old: install Python 3.11 or newer and name it (PYTHON=python3.11)"

.venv/bin/python -c '' 2>/dev/null || rm -rf .venv # its Python is gone, or it never was
if uv=$(command -v uv); then
    [ -d .venv ] || uv venv --quiet --python "$python" .venv
else
    uv=.venv/bin/uv
    if [ ! -x "$uv" ]; then
        echo "Installing uv $uv_version"
        if "$python" -m venv .venv >/dev/null 2>&1; then
            output=$(.venv/bin/python -m pip install --quiet "uv==$uv_version" 2>&1) || no_packages "$output"
        elif "$python" -m venv --without-pip .venv && "$python" -m pip --version >/dev/null 2>&1; then
            output=$("$python" -m pip --python .venv/bin/python install --quiet "uv==$uv_version" 2>&1) ||
                no_packages "$output"
        else
            rm -rf .venv
            fail "$python can't make virtual environments: install Debian's package python3-venv, or uv"
        fi
    fi
fi

echo "Installing the packages (the first time from the network: a minute or two)"
output=$(mktemp)
trap 'rm -f "$output" "$output.failed"' EXIT
{
    "$uv" pip install --python .venv/bin/python --compile-bytecode --require-hashes --requirement requirements-dev.txt 2>&1 ||
        touch "$output.failed"
} | tee "$output" | grep --line-buffered -E '^(Resolved|Prepared|Installed|Bytecode) ' || true # its lists are long
[ ! -e "$output.failed" ] || no_packages "$(cat "$output")"
if command -v cc >/dev/null; then
    "$uv" pip install --python .venv/bin/python --quiet --require-hashes --requirement requirements-fast.txt 2>/dev/null ||
        echo "gunicorn-h1c, a faster HTTP parser, could not be built; gunicorn does without it"
fi
