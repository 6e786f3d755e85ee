"""What Transformers does with SmolLM2-135M-Instruct from its GGUF file: ids, answers, probabilities.

usage: python reference/smollm2/export.py FILE.gguf        (writes expected.json)
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

path = Path(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()

TEXTS = ["Hello, world!", " leading and trailing ", "two  spaces,   three\nlines\n\n\ttab",
         "year 2024, 3.14159 and 1000000", "don't WON'T it's we'll", "Olá, você está bem? Ação!", "日本語のテキスト",
         "emoji 🙂🚀 mixed", "x = foo(bar)[0]; // comment", "<|im_start|>user\nHi<|im_end|>\n", "", " "]
QUESTIONS = ["What is the capital of France?", "Name three colours.", "Write a short poem about the sea.",
             "Qual é a capital de Portugal?", "Translate to French: Good morning!"]
SENTENCES = ["The quick brown fox jumps over the lazy dog.", "O rato roeu a rolha da garrafa do rei da Rússia."]

answers = []
for question in QUESTIONS:
    ids = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True,
                                        return_dict=False)
    with torch.no_grad():
        output = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=24, eos_token_id=2, pad_token_id=2,
                                attention_mask=torch.ones(1, len(ids), dtype=torch.long))
    answers.append(dict(question=question, prompt=ids, generated=output[0, len(ids):].tolist()))

scores = []
for sentence in SENTENCES:
    ids = [tokenizer.bos_token_id] + tokenizer(sentence)["input_ids"]
    with torch.no_grad():
        log_probabilities = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    scores.append(dict(text=sentence, ids=ids,
                       log_probabilities=[log_probabilities[i, token].item() for i, token in enumerate(ids[1:])]))

expected = dict(texts=TEXTS, ids=[tokenizer(text)["input_ids"] for text in TEXTS], answers=answers, scores=scores)
(Path(__file__).parent / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")
