"""Runs `xldistill predict` and Transformers in turn on the same lines, and prints medians, ratios and how often the labels agree.

usage: predict.py MODEL_DIR TEXTS [--repeat 3] [--output results.json]      (MODEL_DIR: a stack with one task, trained by xldistill)
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import programs
import rounds

here = pathlib.Path(__file__).resolve().parent
parser = argparse.ArgumentParser()
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("texts", type=pathlib.Path)
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--output", type=pathlib.Path)
options = parser.parse_args()
model, texts = options.model.resolve(), options.texts.resolve()
program = programs.build_program()
count = len(texts.read_text().splitlines())


def ours(precision):
    """Loading is not counted: what one line takes is subtracted."""
    def timed(path):
        start = time.perf_counter()
        with open(path) as lines, tempfile.TemporaryFile("w+") as output:
            child = subprocess.Popen([program, "predict", "--model", model, "--precision", precision], stdin=lines, stdout=output)
            _, status, usage = os.wait4(child.pid, 0)
            if status:
                sys.exit(f"{program} predict failed")
            seconds = time.perf_counter() - start
            output.seek(0)
            return seconds, usage.ru_maxrss * 1024, [json.loads(line)["label"] for line in output]

    with tempfile.NamedTemporaryFile("w") as one:
        one.write(texts.read_text().splitlines()[0] + "\n")
        one.flush()
        load, *_ = timed(one.name)
    seconds, peak, labels = timed(texts)
    return {"sentences_per_second": (count - 1) / (seconds - load), "peak_bytes": peak, "labels": labels}


def peer(dtype):
    return rounds.last_line([sys.executable, str(here / "peers" / "predict.py"), str(model), str(texts), "--dtype", dtype])


contenders = {
    "xldistill f32": lambda: ours("f32"), "Transformers f32": lambda: peer("float32"),
    "xldistill bf16": lambda: ours("bf16"), "Transformers bf16": lambda: peer("bfloat16"),
    "xldistill int8": lambda: ours("int8"),
}
runs = rounds.in_turn(contenders, options.repeat)
rounds.show(runs, "sentences_per_second", "sentences/s", "same labels", rounds.same_labels(runs["Transformers f32"][0]))
if options.output:
    options.output.write_text(json.dumps(runs, indent=1) + "\n")
