"""Training steps of a SmolLM2-135M-shaped Llama on encoded examples, padded to the longest of each step, as in a plain
PyTorch loop; prints one JSON line.

usage: train_transfer_set.py ENCODED.json --dtype float32|bfloat16 --batch 8
ENCODED.json: a list of {"ids", "answer_start", "weight"}, as the example `step` writes it.
"""

import argparse
import json

import measured
import torch
import transformers

parser = argparse.ArgumentParser()
parser.add_argument("encoded")
parser.add_argument("--dtype", default="float32")
parser.add_argument("--batch", type=int, default=8)
options = parser.parse_args()

torch.manual_seed(0)
shape = transformers.LlamaConfig(
    vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
    num_key_value_heads=3, tie_word_embeddings=True, max_position_embeddings=8192, rope_theta=100000.0)
model = transformers.LlamaForCausalLM(shape).to(getattr(torch, options.dtype))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
with open(options.encoded) as file:
    examples = json.load(file)


def step(rows):
    """One optimiser step; the number of supervised tokens."""
    length = max(len(row["ids"]) for row in rows)
    ids = torch.zeros((len(rows), length), dtype=torch.long)
    labels = torch.full((len(rows), length), -100)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for index, row in enumerate(rows):
        values, end = torch.tensor(row["ids"]), len(row["ids"])
        ids[index, :end], mask[index, :end] = values, 1
        labels[index, row["answer_start"]:end] = values[row["answer_start"]:]
    weights = torch.tensor([row["weight"] for row in rows])
    logits = model(input_ids=ids, attention_mask=mask).logits
    targets = labels[:, 1:]
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].float().transpose(1, 2), targets, reduction="none", ignore_index=-100)
    supervised = (targets != -100).sum(1)
    (losses.sum(1) / supervised * weights).mean().backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return int(supervised.sum())


steps = [examples[start:start + options.batch] for start in range(0, len(examples), options.batch)]
step(steps[0])  # allocates the memory and warms the caches
seconds, tokens = measured.seconds(lambda: sum(map(step, steps[1:])))
measured.report([torch, transformers], supervised_tokens_per_second=tokens / seconds)
