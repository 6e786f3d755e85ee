"""Distillation from a teacher's most probable tokens, in PyTorch.

The teacher is the tiny Llama of export.py; the student is the same model with noise on its parameters, and reads
other prompts before the same answers. Writes beside this file

  distillation.json       examples, the teacher's best tokens with their log-probabilities, losses
  student/                the student's parameters
  student_gradients/      the gradient of every parameter

usage: python distillation.py        (torch, transformers, safetensors)
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

HERE = pathlib.Path(__file__).parent
TOP_K, SHARE = 5, 0.3


def answer_logits(model, prompt, answer):
    """Logits [A, V] that predict the tokens of the answer after the prompt."""
    logits = model(input_ids=torch.tensor([prompt + answer])).logits[0]
    return logits[len(prompt) - 1 : -1]


def divergence(teacher, student):
    """Mean KL over the answer's tokens of the distributions over the teacher's best tokens and the rest."""
    log_p, best = torch.log_softmax(teacher, -1).topk(TOP_K)
    q = torch.softmax(student.double(), -1)
    p = log_p.double().exp()
    q_best = q.gather(-1, best)
    p_rest, q_rest = 1 - p.sum(-1), 1 - q_best.sum(-1)
    of_best = (p * (p.log() - q_best.log())).sum(-1)
    return (of_best + p_rest * (p_rest.log() - q_rest.log())).mean(), best, log_p


def write(name, tensors):
    (HERE / name).mkdir(exist_ok=True)
    save_file(tensors, HERE / name / "model.safetensors")


def main():
    teacher = LlamaForCausalLM.from_pretrained(HERE / "tiny").float().eval()
    student = LlamaForCausalLM.from_pretrained(HERE / "tiny").float().train()
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    write("student", {n: p.detach().clone() for n, p in student.named_parameters()})

    vocabulary = teacher.config.vocab_size
    draw = lambda low, high: int(torch.randint(low, high, (1,)))
    tokens = lambda count: torch.randint(3, vocabulary, (count,)).tolist()
    subsets, taught = ["LL", "TL", "TL", "TT", "LL"], [True, True, True, False, False]
    examples = [
        {
            "subset": subset, "prompt": tokens(draw(4, 12)), "answer": tokens(draw(2, 9)) + [2],
            "teacher_prompt": tokens(draw(3, 10)) if is_taught else None,
        }
        for subset, is_taught in zip(subsets, taught)
    ]
    sizes = {s: subsets.count(s) for s in subsets}
    total = 0
    for example in examples:
        weight = len(examples) / (len(sizes) * sizes[example["subset"]])
        logits = answer_logits(student, example["prompt"], example["answer"])
        entropy = torch.nn.functional.cross_entropy(logits, torch.tensor(example["answer"]))
        example["cross_entropy"] = entropy.item()
        loss = entropy
        if example["teacher_prompt"]:
            with torch.no_grad():
                taught_by = answer_logits(teacher, example["teacher_prompt"], example["answer"])
            kl, best, log_p = divergence(taught_by, logits)
            example.update(divergence=kl.item(), best=best.tolist(), log_probabilities=log_p.tolist())
            loss = (1 - SHARE) * entropy + SHARE * kl
        total = total + weight * loss / len(examples)
    total.backward()
    write("student_gradients", {n: p.grad.clone() for n, p in student.named_parameters()})
    record = {"top_k": TOP_K, "share": SHARE, "loss": total.item(), "examples": examples}
    (HERE / "distillation.json").write_text(json.dumps(record, separators=(",", ":")) + "\n")
    print(total.item(), [(e["cross_entropy"], e.get("divergence")) for e in examples])


main()
