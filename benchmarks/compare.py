"""Runs xldistill and its peers in turn on the same work, and prints medians and ratios.

usage: compare.py --gguf FILE.gguf [--transfer-set FILE.jsonl] [--llama-cpp FOLDER] [--llama-gguf FILE.gguf ...] [--ctranslate2 FOLDER [--sentences 128]]
       [--repeat 3] [--only TEXT] [--output results.json]
Needs a Python with torch and transformers; the Rust examples are built first.
"""

import argparse
import functools
import json
import pathlib
import platform
import statistics
import sys
import tempfile

import programs
import rounds

here = pathlib.Path(__file__).resolve().parent
parser = argparse.ArgumentParser()
parser.add_argument("--gguf", type=pathlib.Path, required=True)
parser.add_argument("--transfer-set", type=pathlib.Path, help="transfer set of a run: mix/part-00000-of-00001.jsonl")
parser.add_argument("--llama-cpp", type=pathlib.Path, help="folder where `npm install node-llama-cpp` was run")
parser.add_argument("--llama-gguf", type=pathlib.Path, nargs="+", default=[],
                    help="files for llama.cpp as llama-cpp-python built it for this processor, e.g. of other types")
parser.add_argument("--ctranslate2", type=pathlib.Path, help="folder for a CTranslate2 model in NLLB's shape; also measures translation")
parser.add_argument("--sentences", type=int, default=128, help="number of sentences to translate")
parser.add_argument("--repeat", type=int, default=3)
parser.add_argument("--output", type=pathlib.Path)
parser.add_argument("--only", default="", help="measure only work whose name contains TEXT")
options = parser.parse_args()
gguf = str(options.gguf.resolve())

examples = programs.build()


def ours_train(precision, *more):
    return [str(examples / "step"), "--model", gguf, "--precision", precision, "--batch", "4", "--length", "256", "--steps", "5", *more]


def peer_train(dtype, *more):
    return [sys.executable, str(here / "peers" / "train.py"), "--dtype", dtype, *more]


def ours_stack(precision, *more):
    return [str(examples / "stack_step"), "--precision", precision, *more]


def peer_stack(dtype):
    return [sys.executable, str(here / "peers" / "stack_step.py"), "--dtype", dtype]


def ours_generate(precision, batch):
    return [str(examples / "generate"), gguf, precision, str(batch)]


def peer_generate(dtype, batch):
    return [sys.executable, str(here / "peers" / "generate.py"), gguf, "--dtype", dtype, "--batch", str(batch)]


def peer_llama_cpp(batch):
    """llama.cpp with the weights as they are: prebuilt on the same file, and natively built on others."""
    native = {f"llama.cpp, native, {file.name}": [sys.executable, str(here / "peers" / "generate_llama_cpp.py"), str(file.resolve()), str(batch)]
              for file in options.llama_gguf}
    if not options.llama_cpp:
        return native
    return native | {"llama.cpp": ["env", "-C", str(options.llama_cpp.resolve()), "node", str(here / "peers" / "generate_llama_cpp.mjs"), gguf, str(batch)]}


works = {
    "train SmolLM2-135M, 4 x 256 tokens, full, AdamW": {
        "xldistill f32": ours_train("f32"), "PyTorch f32": peer_train("float32"),
        "xldistill bf16": ours_train("bf16"), "PyTorch bf16": peer_train("bfloat16"),
    },
    "train the same with LoRA, r = 16": {
        "xldistill f32": ours_train("f32", "--method", "lora"), "full f32": ours_train("f32"), "PEFT f32": peer_train("float32", "--lora"),
        "xldistill bf16": ours_train("bf16", "--method", "lora"), "full bf16": ours_train("bf16"), "PEFT bf16": peer_train("bfloat16", "--lora"),
        "xldistill int8": ours_train("int8", "--method", "lora"),
    },
    "stage 1 of MT-LLM, SmolLM2-135M on multilingual-e5-small, 16 documents of 64 tokens": {
        "xldistill f32": ours_stack("f32"), "PyTorch f32": peer_stack("float32"),
        "xldistill bf16": ours_stack("bf16"), "PyTorch bf16": peer_stack("bfloat16"),
        "xldistill int8": ours_stack("int8"),
    },
    "the same, text seen before": {
        f"xldistill bf16, {kept}": ours_stack("bf16", *more) for kept, more in
        (("nothing kept", ()), ("encoder's states", ("--kept", "encoder")), ("both models'", ("--kept", "both")))
    },
}
if options.transfer_set:
    encoded = tempfile.NamedTemporaryFile(suffix=".json")

    def ours_transfer_set(precision, method="full"):
        return [str(examples / "step"), "--model", gguf, "--precision", precision, "--method", method, "--batch", "8", "--steps", "10",
                "--transfer-set", str(options.transfer_set.resolve()), "--encoded", encoded.name]

    def peer_transfer_set(dtype):
        return [sys.executable, str(here / "peers" / "train_transfer_set.py"), encoded.name, "--dtype", dtype, "--batch", "8"]

    # Supervised tokens: only those of answers.
    works["train SmolLM2-135M on a transfer set, 8 examples a step, full, AdamW, supervised tokens"] = {
        "xldistill f32": ours_transfer_set("f32"), "PyTorch f32, padded": peer_transfer_set("float32"),
        "xldistill bf16": ours_transfer_set("bf16"), "PyTorch bf16, padded": peer_transfer_set("bfloat16"),
    }
    works["train the transfer set with LoRA, r = 16, supervised tokens"] = {
        "xldistill f32": ours_transfer_set("f32", "lora"), "full f32": ours_transfer_set("f32"),
        "xldistill bf16": ours_transfer_set("bf16", "lora"), "full bf16": ours_transfer_set("bf16"),
        "xldistill int8": ours_transfer_set("int8", "lora"),
    }
for batch in (1, 16):
    works[f"generate SmolLM2-135M, 64 + 128 tokens, batch {batch}"] = {
        "xldistill f32": ours_generate("f32", batch), "Transformers f32": peer_generate("float32", batch),
        "xldistill bf16": ours_generate("bf16", batch), "Transformers bf16": peer_generate("bfloat16", batch),
        "xldistill int8": ours_generate("int8", batch), **peer_llama_cpp(batch),
    }

if options.ctranslate2:
    sentences = ["--sentences", str(options.sentences)]

    def ours_translate(precision):
        return [str(examples / "translate"), precision, str(options.sentences)]

    works["translate NLLB-600M's shape, random weights, 20 to 40 pieces to 30 tokens, beam 4, sentences"] = {
        "xldistill f32": ours_translate("f32"), "xldistill bf16": ours_translate("bf16"), "xldistill int8": ours_translate("int8"),
        **{f"Transformers {name}": [sys.executable, str(here / "peers" / "translate.py"), "--dtype", dtype, *sentences]
           for name, dtype in (("f32", "float32"), ("bf16", "bfloat16"))},
        **{f"CTranslate2 {name}": [sys.executable, str(here / "peers" / "translate_ctranslate2.py"), str(options.ctranslate2.resolve()),
                                   "--dtype", dtype, *sentences]
           for name, dtype in (("f32", "float32"), ("int8", "int8"))},
    }

report = {"machine": platform.processor() or platform.machine(), "repeat": options.repeat, "works": {}}
for work, contenders in works.items():
    if options.only not in work:
        continue
    measure = ("supervised_tokens_per_second" if "supervised" in work else
               "sentences_per_second" if work.startswith("translate") else "tokens_per_second")
    runs = rounds.in_turn({name: functools.partial(rounds.last_line, command) for name, command in contenders.items()}, options.repeat)
    print(f"\n{work}\n{'':32}{'a second':>10}{'spread':>10}{'peak GB':>10}   version")
    report["works"][work] = {}
    for name, results in runs.items():
        speeds = [result[measure] for result in results]
        median, peak = statistics.median(speeds), max(result["peak_bytes"] for result in results)
        spread = (max(speeds) - min(speeds)) / median
        version = results[0].get("version", "")
        print(f"{name:32}{median:10.2f}{spread:10.0%}{peak / 1e9:10.2f}   {version}", flush=True)
        report["works"][work][name] = {measure: median, "runs": speeds, "peak_bytes": peak, "version": version}
    for own, result in report["works"][work].items():
        for name, peer in report["works"][work].items():
            if own.startswith("xldistill") and not name.startswith("xldistill"):
                print(f"  {own} is {result[measure] / peer[measure]:.2f} x {name}")
if options.output:
    options.output.write_text(json.dumps(report, indent=1) + "\n")
