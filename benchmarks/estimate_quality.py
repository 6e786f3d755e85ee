"""Runs xldistill's CometKiwi and unbabel-comet in turn on the same pairs, and prints medians and ratios.

usage: estimate_quality.py DIR [--repeat 3] [--output results.json]      (DIR: written by peers/comet_kiwi.py --write)
"""

import argparse
import functools
import json
import pathlib
import sys

import programs
import rounds

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
runs = rounds.in_turn({name: functools.partial(rounds.last_line, command) for name, command in contenders.items()}, options.repeat)
exact = runs["unbabel-comet f32"][0]["scores"]


def difference(result):
    return f"{max(abs(a - b) for a, b in zip(result['scores'], exact)):.1e}"


rounds.show(runs, "segments_per_second", "segments/s", "largest difference", difference)
if options.output:
    options.output.write_text(json.dumps(runs, indent=1) + "\n")
