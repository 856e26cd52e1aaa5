#!/bin/sh
# Make or refresh .venv: with uv where it works, with venv and pip otherwise.
# usage: tools/setup.sh PYTHON
set -eu
python=$1
target=.venv/bin/python

# uv is quicker, but it ignores pip's own configuration and may not reach a package index that pip can.
with_uv() {
    command -v uv >/dev/null 2>&1 || return 1
    [ -x "$target" ] || uv venv --quiet --no-python-downloads --python "$python" .venv || return 1
    uv pip install --quiet --python "$target" -r constraints.txt || return 1
    uv pip install --quiet --python "$target" -c constraints.txt --no-build-isolation -e '.[cli,sqlalchemy,testing]'
}

# Without ensurepip (Debian splits it off) the environment borrows the pip of the Python that made it.
with_pip() {
    if [ ! -x "$target" ]; then
        "$python" -m venv .venv 2>/dev/null || "$python" -m venv --clear --without-pip .venv
    fi
    if "$target" -m pip --version >/dev/null 2>&1; then
        pip="$target -m pip"
    else
        pip="$python -m pip --python $target"
    fi
    $pip install -qq --disable-pip-version-check -r constraints.txt
    "$target" -m pip install -qq --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[cli,sqlalchemy,testing]'
}

with_uv || with_pip
