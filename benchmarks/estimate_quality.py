"""Runs xldistill's CometKiwi and unbabel-comet in turn on the same pairs, and prints medians and ratios.

usage: estimate_quality.py DIR [--repeat 3] [--output results.json]      (DIR: written by peers/comet_kiwi.py --write)
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

import programs

here = pathlib.Path(__file__).resolve().parent
parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--output", type=pathlib.Path)
options = parser.parse_args()
folder = options.folder.resolve()

example = programs.build() / "estimate_quality"
peer = [sys.executable, str(here / "peers" / "comet_kiwi.py"), str(folder)]
contenders = {
    "xldistill f32": [str(example), str(folder), str(folder / "pairs.tsv"), "f32"],
    "unbabel-comet f32": peer,
    "unbabel-comet f32, bare": peer + ["--bare"],
    "xldistill bf16": [str(example), str(folder), str(folder / "pairs.tsv"), "bf16"],
    "unbabel-comet bf16, bare": peer + ["--dtype", "bfloat16"],
}
runs = {name: [] for name in contenders}
for _ in range(options.repeat):  # in turn, so that a slow minute hits everyone
    for name, command in contenders.items():
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        runs[name].append(json.loads(output.strip().splitlines()[-1]))
exact = runs["unbabel-comet f32"][0]["scores"]
print(f"{'':26}{'segments/s':>11}{'spread':>8}{'peak GB':>9}{'largest difference':>20}")
medians = {}
for name, results in runs.items():
    speeds = [result["segments_per_second"] for result in results]
    medians[name] = statistics.median(speeds)
    peak = max(result["peak_bytes"] for result in results)
    difference = max(abs(a - b) for a, b in zip(results[0]["scores"], exact))
    print(f"{name:26}{medians[name]:11.2f}{(max(speeds) - min(speeds)) / medians[name]:8.0%}{peak / 1e9:9.2f}{difference:20.1e}")
for own in ("xldistill f32", "xldistill bf16"):
    for name, median in medians.items():
        if not name.startswith("xldistill"):
            print(f"  {own} is {medians[own] / median:.2f} x {name}")
if options.output:
    options.output.write_text(json.dumps(runs, indent=1) + "\n")
