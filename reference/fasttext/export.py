"""Trains tiny fastText classifiers of every kind and exports what the reference implementation says with them.

usage: export.py            needs `pip install fasttext-wheel`

Writes NAME.bin or NAME.ftz for each kind, and expected.json: texts, and for each model the labels and probabilities.
"""

import json
import pathlib
import random
import tempfile

import fasttext

here = pathlib.Path(__file__).resolve().parent
texts = json.loads((here.parent / "cld3" / "texts.json").read_text())
# The languages of the first texts; lid.176's codes, and one that FLORES-200 lacks.
labels = ["en", "pt", "es", "fr", "de", "it", "nl", "da", "sv", "no", "la", "fi"]
random.seed(1)
lines = []
for label, text in zip(labels, texts):
    words = text.split()
    # Labels of different frequency, so that the Huffman tree is no full one.
    for _ in range(10 + 7 * labels.index(label)):
        start = random.randrange(len(words) - 3)
        lines.append(f"__label__{label} " + " ".join(words[start:start + random.randrange(3, 8)]))
random.shuffle(lines)
# An output matrix is quantised from 256 labels on.
fillers = [f"__label__filler{number} " + " ".join(random.sample(texts[number % 50].split(), 1)) for number in range(250) for _ in range(2)]
kinds = {
    "softmax": dict(loss="softmax", wordNgrams=2, minn=2, maxn=4, bucket=500),
    "hierarchical": dict(loss="hs", wordNgrams=1, minn=2, maxn=3, bucket=300),
    "sigmoid": dict(loss="ova", wordNgrams=3, minn=0, maxn=0, bucket=100),
    "words": dict(loss="ns", wordNgrams=1, minn=0, maxn=0),
}
quantised = {"softmax": dict(qnorm=True, cutoff=320, dsub=2, retrain=False), "hierarchical": dict(qnorm=False, dsub=3, qout=True)}
# What has neither words nor n-grams, and no text that predict() refuses.
asked = [text.replace("\n", " ") for text in texts] + ["__label__en a label within", "</s>", "a\u0000b pão"]
expected = {"texts": asked, "models": {}}


def ask(model, file):
    answers = []
    for text in asked:
        found, probabilities = model.f.predict(text + "\n", 1, 0.0, "strict"), None
        answers.append([found[0][1], float(found[0][0])] if found else None)
    expected["models"][file] = answers


for name, options in kinds.items():
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as training:
        training.write("\n".join(lines + (fillers if name == "hierarchical" else [])) + "\n")
        training.flush()
        model = fasttext.train_supervised(training.name, dim=7, epoch=30, lr=0.5, thread=1, verbose=0, seed=1, **options)
        model.save_model(str(here / f"{name}.bin"))
        ask(fasttext.load_model(str(here / f"{name}.bin")), f"{name}.bin")
        if name in quantised:
            model.quantize(input=training.name, **quantised[name])
            model.save_model(str(here / f"{name}.ftz"))
            ask(fasttext.load_model(str(here / f"{name}.ftz")), f"{name}.ftz")
(here / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=0) + "\n")
