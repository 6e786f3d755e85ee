"""Greedy generation with Transformers: 64 prompt and 128 new tokens; prints one JSON line.

usage: generate.py FILE.gguf --dtype float32|bfloat16 --batch 16
"""

import argparse
import pathlib

import measured
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
    with torch.no_grad():
        model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, pad_token_id=2,
                       max_new_tokens=new_tokens, min_new_tokens=new_tokens)


generate(8)
seconds, _ = measured.seconds(lambda: generate(options.new_tokens))
measured.report([torch, transformers], tokens_per_second=options.batch * options.new_tokens / seconds)
