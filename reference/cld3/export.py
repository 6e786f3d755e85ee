"""Exports CLD3's answers and tables from its reference implementation.

usage: export.py SOURCE_FOLDER BUILD_FOLDER [--only-build]

SOURCE_FOLDER is the folder `cld3` in the package of the crate cld3 0.1.1 (`cargo fetch` brings it). Needs g++, protoc and
libprotobuf; PROTOBUF names a folder other than / where they were unpacked.

Writes, beside this file and in crates/engines/src/cld3/:
  scripts.tsv       scripts of letters and marks, as ranges of code points
  tiny_params.cc    random parameters of a tiny network in the format of lang_id_nn_params.cc
  expected.json     texts; what the reference answers with the published and with the tiny parameters
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess

here = pathlib.Path(__file__).resolve().parent
parser = argparse.ArgumentParser()
parser.add_argument("source", type=pathlib.Path)
parser.add_argument("build", type=pathlib.Path)
parser.add_argument("--only-build", action="store_true")
options = parser.parse_args()
protobuf = pathlib.Path(os.environ.get("PROTOBUF", "/"))
libraries = protobuf / "usr/lib/x86_64-linux-gnu"
environment = os.environ | {"LD_LIBRARY_PATH": str(libraries)}
# Rows of the tables of bigrams, quadgrams, relevant scripts, scripts, trigrams, unigrams, and their widths.
TINY_ROWS, WIDTHS = [20, 50, 12, 103, 40, 10], [16, 16, 8, 8, 16, 16]
HIDDEN, LABELS = 12, 109


def tiny_parameters():
    """Random parameters, whose scales are those of the published ones."""
    random.seed(3)
    bits = lambda value: struct.unpack("<I", struct.pack("<f", value))[0] >> 16
    lines = ["// Random parameters of a tiny network, by reference/cld3/export.py.", "", '#include "lang_id_nn_params.h"', "",
             "namespace chrome_lang_id {", ""]

    def array(kind, name, values):
        rows = [", ".join(values[at:at + 16]) for at in range(0, len(values), 16)]
        lines.append(f"const {kind} LangIdNNParams::k{name}[] = {{\n  " + ",\n  ".join(rows) + "\n};\n")

    integers = lambda values: [str(value) for value in values]
    floats = lambda count, spread: [f"{random.gauss(0, spread):.5f}f" for _ in range(count)]
    array("int", "EmbeddingsNumRows", integers(TINY_ROWS))
    array("int", "EmbeddingsNumCols", integers(WIDTHS))
    for table, (rows, width) in enumerate(zip(TINY_ROWS, WIDTHS)):
        array("float16", f"EmbeddingsQuantScales{table}", [f"{bits(random.uniform(0.02, 0.1))}u" for _ in range(rows)])
        array("uint8", f"EmbeddingsWeights{table}", [f"{random.randrange(256)}u" for _ in range(rows * width)])
    for name, inputs, outputs, spread in (("Hidden", sum(WIDTHS), HIDDEN, 0.4), ("Softmax", HIDDEN, LABELS, 0.6)):
        array("int", f"{name}NumRows", [str(inputs)])
        array("int", f"{name}NumCols", [str(outputs)])
        array("float", f"{name}Weights0", floats(inputs * outputs, spread))
        array("int", f"{name}BiasNumRows", [str(outputs)])
        array("int", f"{name}BiasNumCols", ["1"])
        array("float", f"{name}BiasWeights0", floats(outputs, 0.2))
    array("int32", "EmbeddingDimValues", integers(WIDTHS))
    array("int32", "EmbeddingNumFeaturesValues", ["1"] * 6)
    array("int32", "EmbeddingFeaturesDomainSizeValues", integers(TINY_ROWS))
    array("int32", "ConcatOffsetValues", integers(sum(WIDTHS[:table]) for table in range(6)))
    lines.append("}  // namespace chrome_lang_id")
    return "\n".join(lines) + "\n"


def build(folder, tiny):
    """The driver with the published or the tiny parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in options.source.iterdir():
        if path.suffix in (".cc", ".h", ".proto") and ".pb." not in path.name and "test_data" not in path.name:
            shutil.copy(path, folder)
    shutil.copy(here / "driver.cc", folder)
    if tiny:
        (folder / "lang_id_nn_params.cc").write_text(tiny_parameters())
        text = (folder / "task_context_params.cc").read_text()
        # String literals are split over lines anywhere.
        joined = re.sub(r'"\s*\n\s*"', "", text)
        for published, own in (("id_dim=1000,size=2", f"id_dim={TINY_ROWS[0]},size=2"),
                               ("id_dim=5000,size=4", f"id_dim={TINY_ROWS[1]},size=4"),
                               ("id_dim=5000,size=3", f"id_dim={TINY_ROWS[4]},size=3"),
                               ("id_dim=100,size=1", f"id_dim={TINY_ROWS[5]},size=1")):
            assert published in joined
            joined = joined.replace(published, own)
        (folder / "task_context_params.cc").write_text(joined)
    protos = [path.name for path in folder.glob("*.proto")]
    subprocess.run([protobuf / "usr/bin/protoc", "--cpp_out=.", *protos], cwd=folder, check=True, env=environment)
    sources = sorted(str(path) for path in folder.glob("*.cc"))
    subprocess.run(["g++", "-std=c++17", "-O2", "-w", f"-I{folder}", f"-I{protobuf}/usr/include", *sources, "-o", folder / "driver",
                    f"-L{libraries}", "-lprotobuf-lite", "-lpthread"], check=True)
    return folder / "driver"


def ask(driver, texts, least, most):
    """Label and probability of each text."""
    encoded = b"".join(b"%d\n%s\n" % (len(text.encode()), text.encode()) for text in texts)
    output = subprocess.run([driver, "find", str(least), str(most)], input=encoded, capture_output=True, check=True, env=environment)
    answers = [line.split("\t") for line in output.stdout.decode().splitlines()]
    assert len(answers) == len(texts)
    return [[label, float(probability)] for label, probability in answers]


def ranges(driver):
    """Ranges of code points of one script, and characters whose lower case is not that of Unicode."""
    output = subprocess.run([driver, "scripts"], capture_output=True, check=True, env=environment)
    print(output.stderr.decode(), end="")
    found, unusual = [], []
    for line in output.stdout.decode().splitlines():
        code, script, lower = line.split("\t")
        code = int(code, 16)
        if found and found[-1][1] == code - 1 and found[-1][2] == script:
            found[-1][1] = code
        else:
            found.append([code, code, script])
        if lower != chr(code).lower():
            unusual.append((code, lower))
    return found, unusual


published = build(options.build / "published", tiny=False)
if not options.only_build:
    found, unusual = ranges(published)
    table = here.parent.parent / "crates/engines/src/cld3/scripts.tsv"
    table.write_text("# first\tlast\tscript\n" + "".join(f"{first:x}\t{last:x}\t{script}\n" for first, last, script in found))
    print(len(found), "ranges; unusual lower case:", [(f"{code:04x}", lower) for code, lower in unusual])
    invalid = subprocess.run([published, "invalid"], capture_output=True, check=True, env=environment).stdout.decode().split()
    print("stops at", len(invalid), "code points:", " ".join(invalid[:80]), "…")
    tiny = build(options.build / "tiny", tiny=True)
    shutil.copy(options.build / "tiny/lang_id_nn_params.cc", here / "tiny_params.cc")
    texts = json.loads((here / "texts.json").read_text())
    # Long texts, of which snippets are taken, and repetitive ones, which are squeezed.
    prose = texts[:70]
    texts += [" ".join(prose[first::step]) for first, step in ((0, 2), (1, 5), (54, 1))]
    texts += ["ha " * 200, "spam and eggs " * 60 + prose[1], "字" * 700, (prose[0] + "          " * 5) * 6, "ไ" * 400 + " " + prose[50]]
    texts += [prose[2] * 160 + prose[22] * 80]
    expected = {"texts": texts, "published": ask(published, texts, 0, 1000), "tiny": ask(tiny, texts, 0, 1000)}
    (here / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=0) + "\n")
