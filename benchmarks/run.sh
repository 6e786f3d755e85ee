#!/usr/bin/env bash
# Speed and memory compared with PyTorch and Transformers, in one run on this machine. See benchmarks/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
./quickstart.sh --models-only
python=${PYTHON:-python3}
if ! "$python" -c 'import torch, transformers, gguf, peft' 2>/dev/null; then
  echo "benchmarks/run.sh: $python lacks torch, transformers, gguf or peft; pip install them, or name another with PYTHON=…" >&2
  exit 1
fi
exec "$python" benchmarks/compare.py --gguf models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf "$@"
