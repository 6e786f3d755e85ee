"""Greedy generation with Transformers: 64 prompt and 128 new tokens; prints one JSON line.

usage: generate.py FILE.gguf --dtype float32|bfloat16 --batch 16
"""

import argparse
import json
import pathlib
import resource
import time

import torch
import transformers

parser = argparse.ArgumentParser()
parser.add_argument("gguf", type=pathlib.Path)
parser.add_argument("--dtype", default="float32")
parser.add_argument("--batch", type=int, default=1)
parser.add_argument("--prompt-tokens", type=int, default=64)
parser.add_argument("--new-tokens", type=int, default=128)
options = parser.parse_args()

torch.manual_seed(0)
model = transformers.AutoModelForCausalLM.from_pretrained(
    options.gguf.parent, gguf_file=options.gguf.name, dtype=getattr(torch, options.dtype)).eval()
prompt = torch.randint(100, 40000, (options.batch, options.prompt_tokens))


def generate(new_tokens):
    start = time.perf_counter()
    with torch.no_grad():
        model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, pad_token_id=2,
                       max_new_tokens=new_tokens, min_new_tokens=new_tokens)
    return time.perf_counter() - start


generate(8)
print(json.dumps({
    "tokens_per_second": options.batch * options.new_tokens / generate(options.new_tokens),
    "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "version": f"torch {torch.__version__}, transformers {transformers.__version__}",
}))
