"""Does Transformers load what we write, and say the same? Does PEFT?

    cargo run --release -p models --example export -- FILE.gguf OUT
    python reference/export/check.py FILE.gguf OUT

OUT/model must generate the ids that the GGUF file generates and tokenise alike; OUT/adapter must load in PEFT and
give the last logits that OUT/expected.json holds.
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
        ids = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True, return_dict=False)
        with torch.no_grad():
            output = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=32, attention_mask=torch.ones(1, len(ids), dtype=torch.long))
        yield ids, output[0, len(ids):].tolist()


from_gguf = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
tokenizer = AutoTokenizer.from_pretrained(out / "model")
for text in TEXTS:
    assert from_gguf(text)["input_ids"] == tokenizer(text)["input_ids"], text
    ids = tokenizer(text)["input_ids"]
    assert from_gguf.decode(ids) == tokenizer.decode(ids), text
assert (from_gguf.bos_token, from_gguf.eos_token) == (tokenizer.bos_token, tokenizer.eos_token)
print("tokenizer: equal")

reference = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32).eval()
reference.generation_config.eos_token_id, reference.generation_config.pad_token_id = 2, 2
expected = list(answers(reference, from_gguf))
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
