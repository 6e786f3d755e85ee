"""Tiny random models of the Llama family and what Transformers computes with them.

usage: python reference/llama/export.py        (writes the directories beside this script)

Each directory holds a model as Transformers saves it, `expected.json` (inputs, loss, generated ids)
and `expected.safetensors` (hidden states, logits, gradients by name). The batch is two sequences;
the loss is the sum over tokens of weight x cross-entropy, with some tokens left out.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config

SHAPE = dict(vocab_size=96, hidden_size=32, intermediate_size=56, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
             rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2)
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 32}

# name: (configuration, number format, size of a shard)
VARIANTS = {
    "grouped_tied": (LlamaConfig(**SHAPE, tie_word_embeddings=True), torch.float32, "1GB"),
    "llama3_rope": (LlamaConfig(**SHAPE, tie_word_embeddings=False, head_dim=12, rope_parameters=LLAMA3),
                    torch.float32, "1GB"),
    "biases_linear_rope": (LlamaConfig(**SHAPE, tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
                                       rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}),
                           torch.float32, "1GB"),
    "qwen2": (Qwen2Config(**SHAPE, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
              torch.float32, "1GB"),
    "mistral_bf16_sharded": (MistralConfig(**SHAPE, head_dim=8, tie_word_embeddings=False, sliding_window=None),
                             torch.bfloat16, "20KB"),
}


def export(folder, config, dtype, shard):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).float().eval()
    for name, parameter in model.named_parameters():
        centre = 1.0 if "norm" in name else 0.0
        torch.nn.init.normal_(parameter, centre, 0.2)
    model = model.to(dtype)
    model.save_pretrained(folder, max_shard_size=shard)
    (folder / "generation_config.json").unlink()
    # Read again: rounding the model above has rounded its rotary frequencies too.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    sequences = [torch.randint(3, config.vocab_size, (length,)) for length in (11, 6)]
    generator = torch.Generator().manual_seed(1)
    tensors, targets, weights, hidden, logits, generated = {}, [], [], [], [], []
    loss = 0.0
    for ids in sequences:
        target = torch.cat([ids[1:], torch.tensor([-100])])
        target[:3] = -100
        weight = torch.rand(len(ids), generator=generator) + 0.5
        output = model(input_ids=ids[None], output_hidden_states=True)
        losses = torch.nn.functional.cross_entropy(output.logits[0], target, reduction="none", ignore_index=-100)
        loss = loss + (losses * weight).sum()
        targets += target.tolist()
        weights += weight.tolist()
        hidden.append(output.hidden_states[-1][0])
        logits.append(output.logits[0])
        with torch.no_grad():
            new = model.generate(ids[None], do_sample=False, max_new_tokens=16, eos_token_id=None, pad_token_id=0,
                                 attention_mask=torch.ones_like(ids[None]))
        generated.append(new[0, len(ids):].tolist())
    loss.backward()
    tensors["hidden"] = torch.cat(hidden).detach()
    tensors["logits"] = torch.cat(logits).detach()
    for name, parameter in model.named_parameters():
        tensors[f"gradient.{name}"] = parameter.grad
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "expected.safetensors")
    expected = dict(sequences=[ids.tolist() for ids in sequences], targets=targets, weights=weights,
                    loss=loss.item(), generated=generated)
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    print(folder.name, loss.item())


for name, (config, dtype, shard) in VARIANTS.items():
    export(Path(__file__).parent / name, config, dtype, shard)
