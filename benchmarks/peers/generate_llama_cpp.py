"""Greedy generation with llama.cpp as llama-cpp-python builds it, for this processor: 64 prompt and 128 new tokens, as many sequences
side by side as the batch; prints one JSON line.

usage: generate_llama_cpp.py FILE.gguf BATCH [--threads N]
CMAKE_ARGS=-DGGML_NATIVE=ON pip install llama-cpp-python --no-binary llama-cpp-python
"""

import argparse
import json
import os
import resource
import time

import llama_cpp

PROMPT_TOKENS, NEW_TOKENS = 64, 128
parser = argparse.ArgumentParser()
parser.add_argument("gguf")
parser.add_argument("batch", type=int)
parser.add_argument("--threads", type=int, default=os.cpu_count())
options = parser.parse_args()

silent = llama_cpp.llama_log_callback(lambda *_: None)  # must outlive the library
llama_cpp.llama_log_set(silent, None)
llama_cpp.llama_backend_init()
model_parameters = llama_cpp.llama_model_default_params()
model = llama_cpp.llama_model_load_from_file(options.gguf.encode(), model_parameters)
parameters = llama_cpp.llama_context_default_params()
parameters.n_ctx = options.batch * (PROMPT_TOKENS + NEW_TOKENS + 8)
parameters.n_batch = parameters.n_ubatch = options.batch * PROMPT_TOKENS
parameters.n_seq_max = options.batch
parameters.n_threads = parameters.n_threads_batch = options.threads
context = llama_cpp.llama_init_from_model(model, parameters)
sampler = llama_cpp.llama_sampler_init_greedy()
batch = llama_cpp.llama_batch_init(options.batch * PROMPT_TOKENS, 0, 1)


def decode(tokens):
    """Runs `(token, position, sequence, whether its successor is asked for)`; returns the most probable successors."""
    batch.n_tokens = len(tokens)
    asked = []
    for at, (token, position, sequence, wanted) in enumerate(tokens):
        batch.token[at], batch.pos[at], batch.n_seq_id[at], batch.seq_id[at][0], batch.logits[at] = token, position, 1, sequence, wanted
        if wanted:
            asked.append(at)
    if llama_cpp.llama_decode(context, batch):
        raise SystemExit("llama_decode failed")
    return [llama_cpp.llama_sampler_sample(sampler, context, at) for at in asked]


def generate(new_tokens):
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    prompt = [(100 + 613 * at + 37 * row, at, row, at + 1 == PROMPT_TOKENS) for row in range(options.batch) for at in range(PROMPT_TOKENS)]
    last = decode(prompt)
    for step in range(new_tokens - 1):
        last = decode([(token, PROMPT_TOKENS + step, row, True) for row, token in enumerate(last)])


generate(8)
start, cpu = time.perf_counter(), time.process_time()
generate(NEW_TOKENS)
print(json.dumps({
    "tokens_per_second": options.batch * NEW_TOKENS / (time.perf_counter() - start),
    "tokens_per_cpu_second": options.batch * NEW_TOKENS / (time.process_time() - cpu),
    "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "version": f"llama-cpp-python {llama_cpp.__version__}: {llama_cpp.llama_print_system_info().decode().strip()}",
}))
