"""BLEU and chrF of ten systems with 1,000 bootstrap samples and paired tests, compared with sacrebleu.

usage: scores.py REFERENCES SYSTEM... [--repeat 3] [--program target/release/xldistill]

REFERENCES and each SYSTEM have a sentence per line; fewer than ten systems are repeated, each time with
other sentences left out. The Python that runs this needs sacrebleu==2.6.0.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

parser = argparse.ArgumentParser()
parser.add_argument("references", type=pathlib.Path)
parser.add_argument("systems", type=pathlib.Path, nargs="+")
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--program", type=pathlib.Path, default=pathlib.Path("target/release/xldistill"))
options = parser.parse_args()
work = pathlib.Path(tempfile.mkdtemp())

references = options.references.read_text().splitlines()
named = []
for number in range(10):
    lines = options.systems[number % len(options.systems)].read_text().splitlines()
    lines = ["" if number >= len(options.systems) and at % (13 + number) == 0 else line for at, line in enumerate(lines)]
    path = work / f"system{number}"
    path.write_text("".join(line + "\n" for line in lines))
    named.append((str(path), lines))


def ours(metric):
    command = [options.program, "score", *metric, "--references", options.references, "--hypotheses", *(name for name, _ in named), "--resamples", "1000", "--paired", "bs", "--json"]
    start = time.perf_counter()
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds = time.perf_counter() - start
    return seconds, [(row["score"], row.get("p_value")) for row in json.loads(output)]


def theirs(metric):
    start = time.perf_counter()
    _, scores = PairedTest(named, {"metric": metric}, [references], test_type="bs", n_samples=1000)()
    seconds = time.perf_counter() - start
    column = next(key for key in scores if key != "System")
    return seconds, [(result.score, result.p_value) for result in scores[column]]


for name, command, metric in (("BLEU", ["bleu"], BLEU), ("chrF++", ["chrf", "--word-order", "2"], lambda: CHRF(word_order=2))):
    times = {"xldistill": [], "sacrebleu": []}
    for _ in range(options.repeat):
        seconds, found = ours(command)
        times["xldistill"].append(seconds)
        seconds, expected = theirs(metric())
        times["sacrebleu"].append(seconds)
    worst = max(abs(one[0] - other[0]) for one, other in zip(found, expected))
    p = max(abs(one[1] - other[1]) for one, other in zip(found[1:], expected[1:]))
    medians = {who: statistics.median(seconds) for who, seconds in times.items()}
    print(f"{name}: {len(named)} systems x {len(references)} sentences: xldistill {medians['xldistill']:.2f} s, sacrebleu {medians['sacrebleu']:.2f} s, "
          f"{medians['sacrebleu'] / medians['xldistill']:.1f} times; scores differ by at most {worst:.1e}, p-values by {p:.1e}")
