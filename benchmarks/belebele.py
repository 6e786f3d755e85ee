"""BELEBELE by log-likelihood with xldistill and Transformers in turn: medians, ratios and how often the same choice wins.

usage: belebele.py FILE.gguf BELEBELE_FOLDER [--code eng_Latn] [--limit 100] [--repeat 3] [--program target/release/xldistill] [--output results.json]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import programs
import rounds

here = pathlib.Path(__file__).resolve().parent
parser = argparse.ArgumentParser()
parser.add_argument("gguf", type=pathlib.Path)
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--code", default="eng_Latn")
parser.add_argument("--limit", type=int, default=100)
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--program", type=pathlib.Path, help="built if not given")
parser.add_argument("--output", type=pathlib.Path)
options = parser.parse_args()
gguf, folder = options.gguf.resolve(), options.folder.resolve()
program = (options.program or programs.build_program()).resolve()


def ours(precision):
    """The seconds that the task takes, without loading the model."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        (work / "instructions.jsonl").write_text('{"instruction": "Say yes.", "output": "Yes."}\n')
        (work / "run.toml").write_text(f"""
model = {json.dumps(str(gguf))}
targets = ["por_Latn"]
output = "run"
[data]
instructions = ["instructions.jsonl"]
[translate]
engine = "llm"
[evaluate]
precision = "{precision}"
[[evaluate.benchmarks]]
name = "belebele"
path = {json.dumps(str(folder))}
languages = ["{options.code}"]
limit = {options.limit}
""")
        child = subprocess.Popen([program, "evaluate", work / "run.toml", "--model", gguf], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            sys.exit(errors.decode())
        results = next(work.rglob("results.json"))
        task = f"belebele_{options.code}"
        seconds = json.loads(results.read_text())["xldistill"]["tasks"][task]["seconds"]
        samples = [json.loads(line) for line in (results.parent / f"samples_{task}.jsonl").read_text().splitlines()]
        labels = [sample["filtered_resps"][0] for sample in samples if "filtered_resps" in sample]
    return {"questions_per_second": options.limit / seconds, "peak_bytes": usage.ru_maxrss * 1024, "labels": labels}


def peer(dtype, *more):
    command = [sys.executable, str(here / "peers" / "belebele.py"), str(gguf), str(folder / f"{options.code}.jsonl"), "--dtype", dtype, "--limit", str(options.limit)]
    return rounds.last_line([*command, *more])


contenders = {
    "xldistill f32": lambda: ours("f32"), "Transformers f32": lambda: peer("float32"), "Transformers f32, cached": lambda: peer("float32", "--cached"),
    "xldistill bf16": lambda: ours("bf16"), "Transformers bf16": lambda: peer("bfloat16"), "Transformers bf16, cached": lambda: peer("bfloat16", "--cached"),
}
runs = rounds.in_turn(contenders, options.repeat)
rounds.show(runs, "questions_per_second", "questions/s", "same choice", rounds.same_labels(runs["Transformers f32"][0]))
if options.output:
    options.output.write_text(json.dumps(runs, indent=1) + "\n")
