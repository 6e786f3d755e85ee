"""Log-likelihoods of the choices of BELEBELE and XNLI as lm-evaluation-harness asks for them, by Transformers.

usage: python reference/benchmarks/export.py                            tiny model and rows of this folder
       python reference/benchmarks/export.py FILE.gguf DATA             SmolLM2 and the first rows of the published sets

The conventions are those of lm-evaluation-harness 0.4.9 (`TemplateLM.loglikelihood`, `_encode_pair`; the templates of
`belebele_*` and `xnli_*`); the harness itself is not needed.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).parent
CLOZE = {"en": ("right", "Yes", "Also", "No"), "de": ("richtig", "Ja", "Auch", "Nein")}


def belebele(path, rows):
    for row in [json.loads(line) for line in path.read_text().splitlines()][:rows]:
        context = (f"P: {row['flores_passage']}\nQ: {row['question'].strip()}\nA: {row['mc_answer1']}\nB: {row['mc_answer2']}\n"
                   f"C: {row['mc_answer3']}\nD: {row['mc_answer4']}\nAnswer:")
        yield context, ["A", "B", "C", "D"], int(row["correct_answer_num"]) - 1


def xnli(path, rows, language):
    question, *labels = CLOZE[language]
    for line in path.read_text().splitlines()[:rows]:
        premise, hypothesis, label = line.split("\t")
        choices = [f"{premise}, {question}? {word}, {hypothesis}" for word in labels]
        yield "", choices, ["entailment", "neutral", "contradiction"].index(label)


class Reference:
    def __init__(self, path):
        self.tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        self.model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()

    def encode_pair(self, context, continuation):
        if context == "":
            prefix = self.tokenizer.bos_token_id
            ids = self.tokenizer.encode(continuation, add_special_tokens=False)
            return ([prefix], ids) if ids[0] != prefix else (ids[:1], ids[1:])
        spaces = len(context) - len(context.rstrip())
        if spaces > 0:
            continuation, context = context[-spaces:] + continuation, context[:-spaces]
        whole, given = self.tokenizer.encode(context + continuation), self.tokenizer.encode(context)
        return given, whole[len(given):]

    def log_likelihood(self, context, continuation):
        given, wanted = self.encode_pair(context, continuation)
        read = (given + wanted)[-(self.model.config.max_position_embeddings + 1):][:-1]
        with torch.no_grad():
            log_probabilities = self.model(torch.tensor([read])).logits[0].log_softmax(-1)[-len(wanted):]
        return sum(log_probabilities[i, token].item() for i, token in enumerate(wanted))

    def run(self, rows, shots=0):
        rows = list(rows)
        solved = [context + (" " if context else "") + choices[correct] + "\n\n" for context, choices, correct in rows[:shots]]
        return [[round(self.log_likelihood("".join(solved) + context, " " + choice), 5) for choice in choices]
                for context, choices, _ in rows[shots:]]


if len(sys.argv) == 1:
    reference = Reference(HERE.parent / "gguf/bpe.gguf")
    sets = {"belebele_por_Latn": (belebele(HERE / "por_Latn.jsonl", None), 0), "belebele_por_Latn_1": (belebele(HERE / "por_Latn.jsonl", None), 1),
            "xnli_en": (xnli(HERE / "xnli-en.tsv", None, "en"), 0), "xnli_de": (xnli(HERE / "xnli-de.tsv", None, "de"), 0),
            "xnli_en_2": (xnli(HERE / "xnli-en.tsv", None, "en"), 2)}
    file = "expected.json"
else:
    reference, data = Reference(Path(sys.argv[1])), Path(sys.argv[2])
    sets = {f"belebele_{code}": (belebele(data / f"belebele/{code}.jsonl", 6), 0) for code in ["eng_Latn", "deu_Latn"]}
    sets |= {f"xnli_{iso}": (xnli(data / f"xnli/dev-{iso}.tsv", 6, iso), 0) for iso in ["en", "de"]}
    file = "expected_smollm2.json"
expected = {name: reference.run(rows, shots) for name, (rows, shots) in sets.items()}
(HERE / file).write_text(json.dumps(expected) + "\n")
