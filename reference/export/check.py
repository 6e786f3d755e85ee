"""Does Transformers load what we write, and say the same? Does PEFT?

    cargo run --release -p models --example export -- MODEL OUT
    python reference/export/check.py MODEL OUT

MODEL is a GGUF file or a Hugging Face directory. OUT/model must generate the ids that it generates and tokenise alike;
OUT/adapter must load in PEFT and give the last logits that OUT/expected.json holds.
"""

import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

source, out = Path(sys.argv[1]), Path(sys.argv[2])
QUESTIONS = ["What is the capital of France?", "Name three colours.", "Qual é a capital de Portugal?"]
TEXTS = ["Hello 2024!", " a  b\n\n\tc", "Olá, você", "<|im_start|>user\nHi<|im_end|>\n", "日本語 🙂"]


def answers(model, tokenizer):
    for question in QUESTIONS:
        if tokenizer.chat_template:
            ids = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True, return_dict=False)
        else:
            ids = tokenizer(question)["input_ids"]
        with torch.no_grad():
            output = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=24, attention_mask=torch.ones(1, len(ids), dtype=torch.long))
        yield ids, output[0, len(ids):].tolist()


place = dict(pretrained_model_name_or_path=source)
if source.is_file():
    place = dict(pretrained_model_name_or_path=source.parent, gguf_file=source.name)
original = AutoTokenizer.from_pretrained(**place)
tokenizer = AutoTokenizer.from_pretrained(out / "model")
for text in TEXTS:
    assert original(text)["input_ids"] == tokenizer(text)["input_ids"], text
    ids = tokenizer(text)["input_ids"]
    assert original.decode(ids) == tokenizer.decode(ids), text
assert (original.bos_token, original.eos_token) == (tokenizer.bos_token, tokenizer.eos_token)
print("tokenizer: equal")

reference = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32).eval()
if source.is_file():
    reference.generation_config.eos_token_id, reference.generation_config.pad_token_id = original.eos_token_id, original.eos_token_id
expected = list(answers(reference, original))
del reference
model = AutoModelForCausalLM.from_pretrained(out / "model", dtype=torch.float32).eval()
assert list(answers(model, tokenizer)) == expected
print("model: equal greedy ids")

peft = PeftModel.from_pretrained(model, out / "adapter").eval()
adapter = json.loads((out / "expected.json").read_text())
with torch.no_grad():
    logits = peft(torch.tensor([adapter["ids"]])).logits[0, -1]
difference = (logits - torch.tensor(adapter["last_logits"])).abs().max().item()
assert difference < 2e-3, difference
print(f"adapter: logits equal to {difference:.1e}")
