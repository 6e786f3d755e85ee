"""BELEBELE by log-likelihood with Transformers, every choice in a forward pass of its own; prints one JSON line.

usage: belebele.py FILE.gguf ROWS.jsonl --dtype float32|bfloat16 --limit 100 [--cached]

The prompt is that of lm-evaluation-harness. --cached: one pass a question, as the harness's Hugging Face model does for choices of one token.
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
parser.add_argument("rows", type=pathlib.Path)
parser.add_argument("--dtype", default="float32")
parser.add_argument("--limit", type=int, default=100)
parser.add_argument("--cached", action="store_true")
options = parser.parse_args()

tokenizer = transformers.AutoTokenizer.from_pretrained(options.gguf.parent, gguf_file=options.gguf.name)
model = transformers.AutoModelForCausalLM.from_pretrained(
    options.gguf.parent, gguf_file=options.gguf.name, dtype=getattr(torch, options.dtype)).eval()
rows = [json.loads(line) for line in options.rows.read_text().splitlines()[:options.limit]]
letters = [tokenizer.encode(f" {letter}", add_special_tokens=False) for letter in "ABCD"]
assert all(len(ids) == 1 for ids in letters)


def log_likelihoods(context):
    if options.cached:
        log_probabilities = model(context, logits_to_keep=1).logits[0, -1].float().log_softmax(-1)
        return [log_probabilities[ids[0]].item() for ids in letters]
    scores = []
    for ids in letters:
        read = torch.cat([context, torch.tensor([ids])], dim=1)[:, :-1]
        log_probabilities = model(read, logits_to_keep=1).logits[0, -1].float().log_softmax(-1)
        scores.append(log_probabilities[ids[0]].item())
    return scores


labels = []
start = time.perf_counter()
with torch.inference_mode():
    for row in rows:
        context = (f"P: {row['flores_passage']}\nQ: {row['question'].strip()}\nA: {row['mc_answer1']}\nB: {row['mc_answer2']}\n"
                   f"C: {row['mc_answer3']}\nD: {row['mc_answer4']}\nAnswer:")
        scores = log_likelihoods(torch.tensor([tokenizer.encode(context)]))
        labels.append("ABCD"[max(range(4), key=scores.__getitem__)])
print(json.dumps({
    "questions_per_second": len(rows) / (time.perf_counter() - start),
    "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "labels": labels,
    "version": f"torch {torch.__version__}, transformers {transformers.__version__}",
}))
