#!/bin/sh
# Makes .venv with the pinned requirements, using nothing but a Python.
set -eu

uv_version=0.13.9
python=${PYTHON:-python3}

fail() {
    echo "make setup: $*" >&2
    exit 1
}

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
            .venv/bin/python -m pip install --quiet "uv==$uv_version"
        elif "$python" -m venv --without-pip .venv && "$python" -m pip --version >/dev/null 2>&1; then
            "$python" -m pip --python .venv/bin/python install --quiet "uv==$uv_version"
        else
            rm -rf .venv
            fail "$python can't make virtual environments: install Debian's package python3-venv, or uv"
        fi
    fi
fi
echo "Installing the requirements"
"$uv" pip install --python .venv/bin/python --compile-bytecode --require-hashes --requirement requirements-dev.txt
if command -v cc >/dev/null; then
    "$uv" pip install --python .venv/bin/python --quiet --require-hashes --requirement requirements-fast.txt ||
        echo "gunicorn-h1c could not be built; gunicorn does without it"
fi
