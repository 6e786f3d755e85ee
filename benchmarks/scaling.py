"""Training speed and memory of xldistill as a function of threads, sequence length and batch size.

usage: scaling.py --gguf FILE.gguf [--precision bf16] [--large] [--steps 2] [--output results.json]

--large adds LoRA on models with random weights in TinyLlama's and Llama-2-7B's shape: 18 GB of memory, ten minutes.
"""

import argparse
import json
import os
import pathlib
import subprocess

import programs

parser = argparse.ArgumentParser()
parser.add_argument("--gguf", type=pathlib.Path, required=True)
parser.add_argument("--precision", default="bf16")
parser.add_argument("--large", action="store_true")
parser.add_argument("--steps", type=int, default=2)
parser.add_argument("--output", type=pathlib.Path)
options = parser.parse_args()

step = programs.build() / "step"
cores = os.cpu_count()

settings = [("full", cores, batch, 256) for batch in (1, 2, 4, 8, 16)]
settings += [("full", cores, 1, length) for length in (512, 1024, 2048, 4096)]
settings += [("full", threads, 4, 256) for threads in range(1, cores)]
settings += [("lora", cores, batch, 256) for batch in (1, 4, 16)] + [("lora", cores, 1, 4096)]
results = []
print(f"{'method':8}{'threads':>8}{'batch':>7}{'length':>8}{'tokens/s':>10}{'peak GB':>9}")
for method, threads, batch, length in settings:
    command = [str(step), "--model", str(options.gguf), "--precision", options.precision, "--method", method,
               "--batch", str(batch), "--length", str(length), "--steps", str(options.steps)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "RAYON_NUM_THREADS": str(threads)}).stdout
    result = json.loads(output.strip().splitlines()[-1])
    print(f"{method:8}{threads:8}{batch:7}{length:8}{result['tokens_per_second']:10.0f}{result['peak_bytes'] / 1e9:9.2f}", flush=True)
    results.append({"method": method, "threads": threads, "batch": batch, "length": length, **result})
large = {"TinyLlama": "2048,5632,22,32,4,32000", "Llama-2-7B": "4096,11008,32,32,32,32000"}
for name, precision, batch, *more in [("TinyLlama", "bf16", 4), ("TinyLlama", "int8", 4), ("Llama-2-7B", "int8", 2),
                                      ("Llama-2-7B", "int8", 4, "--recompute")] if options.large else []:
    command = [str(step), "--shape", large[name], "--method", "lora", "--precision", precision, "--batch", str(batch), "--steps", str(options.steps), *more]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result = json.loads(output.strip().splitlines()[-1])
    print(f"{name}, LoRA {precision}, {batch} x 256 {' '.join(more)}: {result['tokens_per_second']:.0f} tokens/s, {result['peak_bytes'] / 1e9:.1f} GB", flush=True)
    results.append({"shape": name, "method": "lora", "precision": precision, "batch": batch, "length": 256, "more": more, **result})
if options.output:
    options.output.write_text(json.dumps(results, indent=1) + "\n")
