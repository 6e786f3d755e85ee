"""Token ids of texts that name control tokens, encoded as text (`encode_special_tokens`, Transformers'
`split_special_tokens`), by tokenizers of other fixtures."""

import json
from pathlib import Path

from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
TOKENIZERS = {
    name: f"{folder}/tokenizer.json"
    for name, folder in {
        "llama": "mt_llm/llama",
        "gpt2": "mt_llm/gpt2",
        "bert": "mt_llm/bert",
        "xlm_roberta": "mt_llm/xlm_roberta",
        "m2m100": "m2m100/tiny",
    }.items()
}
TEXTS = ["Hello {} world", "{}", "a{}{}b", " {} the end{}", "Plain text without any, it's 12 < 34"]


def main():
    cases = []
    for name, path in TOKENIZERS.items():
        tokenizer = Tokenizer.from_file(str(HERE.parent / path))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        special = [t.content for t in tokenizer.get_added_tokens_decoder().values() if t.special]
        tokenizer.encode_special_tokens = True
        for token in special[:4] + special[-1:]:
            for text in TEXTS:
                text = text.replace("{}", token)
                encoding = tokenizer.encode(text, add_special_tokens=False)
                ids, offsets = encoding.ids, encoding.offsets
                # Offsets of characters here, of bytes there.
                offsets = [[len(text[:at].encode()) for at in pair] for pair in offsets]
                cases.append({"tokenizer": path, "text": text, "ids": ids, "offsets": offsets})
    unique = {(c["tokenizer"], c["text"]): c for c in cases}
    text = ",\n".join(json.dumps(case, ensure_ascii=False) for case in unique.values())
    (HERE / "expected.json").write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    main()
