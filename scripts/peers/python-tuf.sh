#!/bin/sh
# Makes a Python environment with python-tuf in the cache folder, once, and prints the path of its interpreter.
# Exit status 3: this machine has no Python 3 with venv, or the packages cannot be had.
set -eu

TUF=tuf==7.0.0
SIGNING='securesystemslib[crypto]==1.4.0'

folder="${XDG_CACHE_HOME:-$HOME/.cache}/dtrust-peers/python-tuf"
python="$folder/bin/python"

if [ -x "$python" ] && "$python" -c 'import tuf, securesystemslib, cryptography' 2>/dev/null; then
    echo "$python"
    exit 0
fi

command -v python3 >/dev/null || { echo 'no python3' >&2; exit 3; }
# Beside the final place and moved there when complete: another run may be making it as well.
mkdir -p "$(dirname "$folder")"
fresh="$(mktemp -d "$folder.XXXXXX")"
trap 'rm -rf "$fresh"' EXIT
python3 -m venv "$fresh" >&2 || { echo 'no python3 venv' >&2; exit 3; }
"$fresh/bin/python" -m pip install --quiet --disable-pip-version-check "$TUF" "$SIGNING" >&2 || {
    echo 'the python packages cannot be had' >&2
    exit 3
}
rm -rf "$folder"
mv "$fresh" "$folder"
echo "$python"
