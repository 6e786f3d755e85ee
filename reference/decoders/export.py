"""Tiny random decoders and what Transformers and PEFT compute with them.

usage: python reference/decoders/export.py [FAMILY ...]        (writes ../llama, ../qwen3, ../gemma3, ../gpt2)

FAMILY/VARIANT/ holds a model as Transformers saves it, `expected.json` (inputs, loss, generated ids) and
`expected.safetensors` (hidden states, logits, gradients by name). The batch is two sequences; the loss is the sum over
tokens of weight x cross-entropy, with some tokens left out. Some variants have one or more of
- older_config.json beside config.json: the same configuration as models published before Transformers 5 write it
- FAMILY/VARIANT_lora/: a PEFT adapter on every linear layer, with the same expectations
- FAMILY/VARIANT.gguf: the same model as llama.cpp's converter writes it
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM
from variants import FAMILIES, Variant
from write_gguf import write_gguf, write_tokenizer

REFERENCE = Path(__file__).parent.parent


def random_model(variant):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(variant.config).float().eval()
    # Gemma multiplies by 1 + weight, all others by weight.
    unit = 0.0 if variant.config.model_type.startswith("gemma") else 1.0
    for name, parameter in model.named_parameters():
        gain = ("norm" in name or ".ln_" in name) and name.endswith("weight")
        torch.nn.init.normal_(parameter, unit if gain else 0.0, 0.2)
    return model.to(variant.dtype)


def expectations(model, sequences, folder):
    """What `model` computes; gradients are those of the parameters that are trained."""
    generator = torch.Generator().manual_seed(1)
    targets, weights, hidden, logits, generated = [], [], [], [], []
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
            new = model.generate(input_ids=ids[None], do_sample=False, max_new_tokens=16, eos_token_id=None, pad_token_id=0,
                                 attention_mask=torch.ones_like(ids[None]))
        generated.append(new[0, len(ids):].tolist())
    loss.backward()
    tensors = {"hidden": torch.cat(hidden).detach(), "logits": torch.cat(logits).detach()}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            tensors[f"gradient.{name.replace('.default.', '.')}"] = parameter.grad
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "expected.safetensors")
    expected = dict(sequences=[ids.tolist() for ids in sequences], targets=targets, weights=weights,
                    loss=loss.item(), generated=generated)
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    print(folder.parent.name, folder.name, loss.item())
    return tensors["logits"]


def as_on_the_hub(folder):
    """GPT-2's published checkpoints: names without the prefix, and the causal masks that old versions stored."""
    path = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in load_file(path).items()}
    config = json.loads((folder / "config.json").read_text())
    masks = {f"h.{layer}.attn.bias": torch.ones(1, 1, config["n_positions"], config["n_positions"]).tril().bool()
             for layer in range(config["n_layer"])}
    save_file(tensors | masks, path, metadata={"format": "pt"})


def check_older(folder, variant, logits):
    """Transformers must read the older configuration as the same model."""
    path = folder / "config.json"
    newer = path.read_text()
    path.write_text(json.dumps(variant.older, indent=2) + "\n")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    sequences = json.loads((folder / "expected.json").read_text())["sequences"]
    with torch.no_grad():
        again = torch.cat([model(torch.tensor([ids])).logits[0] for ids in sequences])
    assert torch.equal(again, logits), folder
    path.rename(folder / "older_config.json")
    path.write_text(newer)


def adapter(folder, variant, sequences):
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    fused = variant.config.model_type == "gpt2"
    config = LoraConfig(r=3, lora_alpha=6, lora_dropout=0.0, target_modules=variant.linear_layers, task_type="CAUSAL_LM",
                        fan_in_fan_out=fused)
    model = get_peft_model(base, config)
    torch.manual_seed(3)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, 0.0, 0.2)
    target = folder.with_name(f"{folder.name}_lora")
    model.peft_config["default"].base_model_name_or_path = f"../{folder.name}"
    model.save_pretrained(target)
    (target / "README.md").unlink(missing_ok=True)
    path = target / "adapter_config.json"
    written = json.loads(path.read_text())
    written["target_modules"].sort()    # PEFT writes a set, in another order each time
    path.write_text(json.dumps(written, indent=2) + "\n")
    expectations(model, sequences, target)


def export(family, name, variant: Variant):
    folder = REFERENCE / family / name
    random_model(variant).save_pretrained(folder, max_shard_size=variant.shard)
    (folder / "generation_config.json").unlink()
    if variant.hub_names:
        as_on_the_hub(folder)
    # Read again: rounding the model above has rounded its rotary frequencies too.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    sequences = [torch.randint(3, variant.config.vocab_size, (length,)) for length in (11, 6)]
    logits = expectations(model, sequences, folder)
    if variant.older:
        check_older(folder, variant, logits)
    if variant.gguf:
        write_gguf(folder.with_suffix(".gguf"), AutoConfig.from_pretrained(folder), model.state_dict())
    if variant.lora:
        write_tokenizer(folder, variant.config.model_type)
        adapter(folder, variant, sequences)


for family in sys.argv[1:] or FAMILIES:
    for name, variant in FAMILIES[family].items():
        export(family, name, variant)
