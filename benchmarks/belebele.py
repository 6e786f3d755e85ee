"""BELEBELE by log-likelihood with xldistill and Transformers in turn: medians, ratios and how often the same choice wins.

usage: belebele.py FILE.gguf BELEBELE_FOLDER [--code eng_Latn] [--limit 100] [--repeat 3] [--program target/release/xldistill] [--output results.json]
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import programs

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
    output = subprocess.run([*command, *more], check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])


contenders = {
    "xldistill f32": lambda: ours("f32"), "Transformers f32": lambda: peer("float32"), "Transformers f32, cached": lambda: peer("float32", "--cached"),
    "xldistill bf16": lambda: ours("bf16"), "Transformers bf16": lambda: peer("bfloat16"), "Transformers bf16, cached": lambda: peer("bfloat16", "--cached"),
}
runs = {name: [] for name in contenders}
for _ in range(options.repeat):  # in turn, so that a slow minute hits everyone
    for name, run in contenders.items():
        runs[name].append(run())
exact = runs["Transformers f32"][0]["labels"]
print(f"{'':26}{'questions/s':>12}{'spread':>8}{'peak GB':>9}{'same choice':>13}")
medians = {}
for name, results in runs.items():
    speeds = [result["questions_per_second"] for result in results]
    medians[name] = statistics.median(speeds)
    peak = max(result["peak_bytes"] for result in results)
    agreement = sum(a == b for a, b in zip(results[0]["labels"], exact, strict=True)) / len(exact)
    print(f"{name:26}{medians[name]:12.2f}{(max(speeds) - min(speeds)) / medians[name]:8.0%}{peak / 1e9:9.2f}{agreement:13.1%}")
for own in (name for name in medians if name.startswith("xldistill")):
    for name, median in medians.items():
        if name.startswith("Transformers"):
            print(f"  {own} is {medians[own] / median:.2f} x {name}")
if options.output:
    options.output.write_text(json.dumps(runs, indent=1) + "\n")
