"""Training steps of a SmolLM2-135M-shaped Llama in PyTorch, of all weights or of PEFT's adapters; prints one JSON line.

usage: train.py --dtype float32|bfloat16 [--lora] --batch 4 --length 256 --steps 5
"""

import argparse

import measured
import torch
import transformers

parser = argparse.ArgumentParser()
parser.add_argument("--dtype", default="float32")
parser.add_argument("--lora", action="store_true", help="r = 16 on all linear layers of the blocks, dropout 0.05; adapters stay f32")
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--length", type=int, default=256)
parser.add_argument("--steps", type=int, default=5)
options = parser.parse_args()

torch.manual_seed(0)
shape = transformers.LlamaConfig(
    vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
    num_key_value_heads=3, tie_word_embeddings=True, max_position_embeddings=8192, rope_theta=100000.0)
model = transformers.LlamaForCausalLM(shape).to(getattr(torch, options.dtype))
packages = [torch, transformers]
if options.lora:
    import peft

    adapters = peft.LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, adapters).train()
    packages.append(peft)
trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
ids = torch.randint(0, shape.vocab_size, (options.batch, options.length))


def step():
    optimizer.zero_grad()
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    return loss.item()


measured.report(packages, tokens_per_second=options.batch * options.length / measured.median_seconds(step, options.steps))
