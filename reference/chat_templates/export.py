"""Conversations rendered by Transformers with the chat templates beside this script.

usage: python reference/chat_templates/export.py        (writes expected.json)

Each template is one `.jinja` file in the form models carry it; `SPECIAL` names its special tokens.
"""

import json
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

HERE = Path(__file__).parent
ANGLE = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
CHATML = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}
SPECIAL = {
    "smollm2": CHATML, "chatml": CHATML, "qwen2_5": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "llama2": ANGLE, "mistral": ANGLE, "zephyr": ANGLE, "vicuna": ANGLE, "tinyllama": ANGLE,
    "llama3": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "gemma": {"bos_token": "<bos>", "eos_token": "<eos>"},
    "phi3": {"bos_token": "<s>", "eos_token": "<|endoftext|>"},
    "features": ANGLE,
}


def turns(*contents, system=None):
    roles = ["user", "assistant"] * len(contents)
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents)]
    return ([{"role": "system", "content": system}] if system else []) + messages


CONVERSATIONS = [
    turns("Hello!"),
    turns("What is 2 + 2?", "4"),
    turns("  Spaces around  ", " kept or trimmed? \n", "Line one\nline two", "Ok.", "{{ not a template }} <b>\"&'"),
    turns("Olá, tudo bem?", "Tudo bem, e você?", system="Responda em português."),
    turns("日本語", system="  A system prompt with spaces \n"),
    [{"role": "assistant", "content": "I begin."}, {"role": "user", "content": "That is refused by some."}],
]


def render(template, special, messages, add_generation_prompt):
    try:
        rendered, _ = render_jinja_template(conversations=[messages], chat_template=template,
                                            add_generation_prompt=add_generation_prompt, **special)
        return rendered[0]
    except Exception as error:
        assert "alternate" in str(error) or "roles" in str(error) or "first" in str(error), error
        return None


expected = []
for path in sorted(HERE.glob("*.jinja")):
    for messages in CONVERSATIONS:
        for prompt in (False, True):
            rendered = render(path.read_text(), SPECIAL[path.stem], messages, prompt)
            expected.append(dict(template=path.stem, special=SPECIAL[path.stem], messages=messages,
                                 add_generation_prompt=prompt, rendered=rendered))
(HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n")
print(len(expected), sum(row["rendered"] is None for row in expected))
