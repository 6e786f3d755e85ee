"""Classifies lines with a stack that xldistill has written, in Transformers and PEFT; prints one JSON line with the labels.

usage: predict.py MODEL_DIR TEXTS --dtype float32|bfloat16 [--task NAME] [--batch 32]

Adapters are merged, texts sorted by length and padded within a batch; loading is not timed, tokenising is.
"""

import argparse
import json
import os
import pathlib

import measured
import peft
import torch
import transformers
from safetensors.torch import load_file

parser = argparse.ArgumentParser()
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("texts", type=pathlib.Path)
parser.add_argument("--dtype", default="float32")
parser.add_argument("--task")
parser.add_argument("--batch", type=int, default=32)
options = parser.parse_args()

dtype = getattr(torch, options.dtype)
stack = json.loads((options.model / "xldistill.json").read_text())
assert stack["kind"] == "stack" and stack["reading"]["pooling"] == "mean"
assert stack["reading"]["attention"] == "bidirectional"
task = options.task or next(iter(stack["tasks"]))
encoder = transformers.AutoModel.from_pretrained(stack["encoder"]["path"], dtype=dtype)
encoder = getattr(encoder, "encoder", encoder) if encoder.config.model_type == "m2m_100" else encoder
encoder.eval()
tokenizer = transformers.AutoTokenizer.from_pretrained(stack["encoder"]["path"])
path = pathlib.Path(stack["llm"]["path"])
place = (path.parent, {"gguf_file": path.name}) if path.suffix == ".gguf" else (path, {})
llm = transformers.AutoModelForCausalLM.from_pretrained(place[0], dtype=dtype, **place[1])
if stack["adapter"]:
    llm = peft.PeftModel.from_pretrained(llm, os.fspath(options.model / "adapter")).merge_and_unload()
llm = llm.model.eval()  # without its output layer
projection = load_file(options.model / "projection.safetensors")
weight, bias = (projection[f"up_projection.{part}"].to(dtype) for part in ("weight", "bias"))
shares = projection["layer_mix"].softmax(0).to(dtype) if stack["layer_mix"] else None
head = load_file(options.model / "heads.safetensors")[f"{task}.weight"]
labels = stack["tasks"][task]["labels"]
texts = [stack["encoder"]["prefix"] + line for line in options.texts.read_text().splitlines()]


@torch.inference_mode()
def classify(texts):
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    predictions = [None] * len(texts)
    for start in range(0, len(order), options.batch):
        batch = order[start:start + options.batch]
        encoded = tokenizer([texts[i] for i in batch], padding=True, truncation=True, max_length=stack["reading"]["max_length"], return_tensors="pt")
        mask = encoded["attention_mask"].bool()
        states = encoder(**encoded, output_hidden_states=shares is not None)
        read = states.last_hidden_state if shares is None else torch.einsum("l,l...->...", shares, torch.stack(states.hidden_states))
        embedded = torch.nn.functional.linear(read, weight, bias)
        length = mask.shape[1]
        visible = mask[:, None, None, :].expand(-1, 1, length, -1)
        hidden = llm(inputs_embeds=embedded, attention_mask=visible, position_ids=torch.arange(length)[None], use_cache=False).last_hidden_state
        pooled = (hidden.float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        for i, choice in zip(batch, (pooled @ head.float().T).argmax(1).tolist()):
            predictions[i] = labels[choice]
    return predictions


classify(texts[:options.batch])  # warms the caches
seconds, predictions = measured.seconds(lambda: classify(texts))
measured.report([torch, transformers], sentences_per_second=len(texts) / seconds, labels=predictions)
