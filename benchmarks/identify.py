"""Language identification compared with the reference implementations: agreement and speed, in one run.

usage: identify.py TEXTS [--cld3 SOURCE_FOLDER] [--fasttext MODEL] [--repeat 3]

TEXTS has one text per line. SOURCE_FOLDER is the folder `cld3` in the package of the crate cld3 0.1.1; g++ and protobuf build
it (see reference/cld3/export.py). The Python that runs this needs `fasttext-wheel` for --fasttext.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import programs
import rounds

here = pathlib.Path(__file__).resolve().parent
root = here.parent
parser = argparse.ArgumentParser()
parser.add_argument("texts", type=pathlib.Path)
parser.add_argument("--cld3", type=pathlib.Path)
parser.add_argument("--fasttext", type=pathlib.Path)
parser.add_argument("--repeat", type=int, default=3)
options = parser.parse_args()
work = pathlib.Path(tempfile.mkdtemp())

ours = programs.build() / "identify"


def cld3_reference(output):
    """Texts per second of the C++ library; its labels go to `output`."""
    environment = os.environ | {"LD_LIBRARY_PATH": str(pathlib.Path(os.environ.get("PROTOBUF", "/")) / "usr/lib/x86_64-linux-gnu")}
    lines = options.texts.read_bytes().removesuffix(b"\n").split(b"\n")
    lines = [line.removesuffix(b"\r") for line in lines]
    encoded = b"".join(b"%d\n%s\n" % (len(line), line) for line in lines)
    driver = work / "cld3/published/driver"
    run = lambda mode: subprocess.run([driver, mode, "0", "1000"], input=encoded, capture_output=True, check=True, env=environment).stdout
    output.write_bytes(run("find"))
    seconds, count, _ = run("time").split(b"\t")
    return {"texts_per_second": int(count) / float(seconds), "version": "CLD3 of the crate cld3 0.1.1, g++ -O2"}


def agreement(own, reference):
    """Share of texts with the same label, and the largest difference of the probabilities of these."""
    pairs = [(a.split("\t"), b.split("\t")) for a, b in zip(own.read_text().split("\n"), reference.read_text().split("\n")) if a and b]
    same = [(float(a[1]), float(b[1])) for a, b in pairs if a[0] == b[0]]
    return len(same), len(pairs), max(abs(a - b) for a, b in same)


contenders = []
if options.cld3:
    subprocess.run([sys.executable, root / "reference/cld3/export.py", options.cld3, work / "cld3", "--only-build"], check=True)
    contenders.append(("cld3", options.cld3 / "lang_id_nn_params.cc", cld3_reference))
if options.fasttext:
    peer = [sys.executable, str(here / "peers/fasttext_predict.py"), str(options.fasttext), str(options.texts)]
    contenders.append(("fasttext", options.fasttext, lambda output: rounds.last_line([*peer, str(output)])))
for engine, model, reference in contenders:
    runs = {"xldistill": [], "reference": []}
    for _ in range(options.repeat):  # in turn, so that a slow minute hits both
        runs["xldistill"].append(rounds.last_line([str(ours), engine, str(model), str(options.texts), str(work / "own.tsv")]))
        runs["reference"].append(reference(work / "reference.tsv"))
    same, total, difference = agreement(work / "own.tsv", work / "reference.tsv")
    print(f"\n{engine}: same label on {same} of {total} texts ({same / total:.2%}), probabilities differ by at most {difference:.1e}")
    medians = {}
    for name, results in runs.items():
        speeds = [result["texts_per_second"] for result in results]
        medians[name] = statistics.median(speeds)
        spread = (max(speeds) - min(speeds)) / medians[name]
        print(f"{name:12}{medians[name]:12.0f} texts/s on one core{spread:8.0%} spread   {results[0]['version']}")
    all_cores = statistics.median(result["texts_per_second_on_all_cores"] for result in runs["xldistill"])
    print(f"xldistill is {medians['xldistill'] / medians['reference']:.2f} x the reference; on all cores {all_cores:.0f} texts/s")
