"""Ten optimiser steps of a tiny Llama in PyTorch: the losses crates/training must reproduce.

Writes beside this file
  tiny/            a Hugging Face directory: two random layers, a word-level tokenizer, ChatML
  ten_steps.json   examples, micro batches, and the loss, gradient norm and learning rate of every step

usage: python export.py        (torch, transformers, tokenizers)
"""

import json
import math
import pathlib

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
TINY = HERE / "tiny"

WORDS = (
    "what is the capital of a name one two three four five say hello good morning night translate "
    "this sentence from English to Portuguese complete it please qual é o nome da uma cidade diga olá "
    "bom dia boa noite lisboa porto brasil gato cão casa livro cat dog house book and e . , ? !"
).split()
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def write_tokenizer():
    vocabulary = ["<unk>", "<|im_start|>", "<|im_end|>", "\n", "system", "user", "assistant", *dict.fromkeys(WORDS)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.Split(" ", "removed"), pre_tokenizers.Punctuation()]
    )
    tokenizer.decoder = decoders.WordPiece(prefix="")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", unk_token="<unk>", additional_special_tokens=["<|im_start|>"]
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(TINY)
    return len(vocabulary)


def tiny_model(vocab_size):
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=vocab_size, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, max_position_embeddings=128, rope_theta=10000.0,
        bos_token_id=None, eos_token_id=2, pad_token_id=None, initializer_range=0.2,
    )
    model = LlamaForCausalLM(config).float()
    model.save_pretrained(TINY)
    return model


def random_examples(vocab_size, count):
    """Random ids in subsets of unequal size and examples of unequal length."""
    generator = torch.Generator().manual_seed(11)
    draw = lambda low, high: int(torch.randint(low, high, (1,), generator=generator))
    subsets = ["LL", "TT", "mt"]
    examples = []
    for index in range(count):
        length = draw(6, 22)
        ids = torch.randint(3, vocab_size, (length,), generator=generator).tolist() + [2]
        examples.append({"subset": subsets[min(draw(0, 5), 2)], "ids": ids, "answer_start": draw(2, length - 1)})
    sizes = {subset: sum(e["subset"] == subset for e in examples) for subset in subsets}
    for example in examples:
        example["weight"] = count / (len(subsets) * sizes[example["subset"]])
    return examples


def example_loss(model, example):
    """Mean cross-entropy over the answer's tokens."""
    ids = torch.tensor([example["ids"]])
    labels = ids.clone()
    labels[0, : example["answer_start"]] = -100
    return model(input_ids=ids, labels=labels).loss


def learning_rate(step, settings):
    warmup = math.ceil(settings["warmup"] * settings["steps"])
    if step < warmup:
        return settings["learning_rate"] * (step + 1) / warmup
    progress = (step - warmup) / (settings["steps"] - warmup - 1)
    floor = settings["final_learning_rate"] * settings["learning_rate"]
    return floor + (settings["learning_rate"] - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def main():
    vocab_size = write_tokenizer()
    model = tiny_model(vocab_size)
    settings = {
        "steps": 10, "learning_rate": 0.02, "final_learning_rate": 0.1, "warmup": 0.2, "weight_decay": 0.1,
        "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "max_grad_norm": 1.0,
    }
    examples = random_examples(vocab_size, 24)
    # Micro batches of each step: uneven on purpose.
    plans = [[[s % 24, (s + 5) % 24, (s + 9) % 24], [(s + 14) % 24], [(s + 17) % 24, (s + 20) % 24]] for s in range(0, 60, 6)]

    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": settings["weight_decay"]}, {"params": vectors, "weight_decay": 0.0}],
        betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"],
    )
    curve = []
    for step, plan in enumerate(plans):
        members = [examples[i] for batch in plan for i in batch]
        loss = sum(e["weight"] * example_loss(model, e) for e in members) / len(members)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings["max_grad_norm"])
        rate = learning_rate(step, settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        if step == 0:
            gradient_norms = {name: p.grad.norm().item() / min(1.0, settings["max_grad_norm"] / (norm.item() + 1e-6)) for name, p in model.named_parameters()}
        optimizer.step()
        curve.append({"loss": loss.item(), "grad_norm": norm.item(), "learning_rate": rate})
    with torch.no_grad():
        after = [example_loss(model, e).item() for e in examples]
    record = {"settings": settings, "examples": examples, "plans": plans, "curve": curve,
              "first_gradient_norms": gradient_norms, "losses_after": after}
    (HERE / "ten_steps.json").write_text(json.dumps(record, indent=None, separators=(",", ":")) + "\n")
    for row in curve:
        print(row)


main()
