"""Labels and speed of the reference implementation of fastText; prints one JSON line.

usage: fasttext_predict.py MODEL TEXTS OUTPUT        one text per line; needs `pip install fasttext-wheel`
"""

import importlib.metadata
import json
import sys
import time

import fasttext

model_path, texts_path, output = sys.argv[1:]
model = fasttext.load_model(model_path)
with open(texts_path, encoding="utf-8", newline="\n") as file:
    texts = file.read().split("\n")
if texts and not texts[-1]:
    texts.pop()
texts = [text.removesuffix("\r") for text in texts]
# The binding's inner function, which does not convert the probabilities to an array.
predict = model.f.predict
for text in texts[:200]:
    predict(text + "\n", 1, 0.0, "strict")
start = time.perf_counter()
answers = [predict(text + "\n", 1, 0.0, "strict") for text in texts]
seconds = time.perf_counter() - start
with open(output, "w", encoding="utf-8") as file:
    for answer in answers:
        probability, label = answer[0] if answer else (0.0, "")
        file.write(f"{label.removeprefix('__label__')}\t{probability:.6f}\n")
version = next((f"{name} {importlib.metadata.version(name)}" for name in ("fasttext-wheel", "fasttext")
                if any(d.metadata["Name"] == name for d in importlib.metadata.distributions())), "fasttext")
print(json.dumps({"texts_per_second": len(texts) / seconds, "version": version}))
