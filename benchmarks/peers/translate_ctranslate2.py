"""Beam search in NLLB-600M's shape and random weights in CTranslate2; prints one JSON line.

usage: translate_ctranslate2.py FOLDER --dtype int8|float32 --sentences 128 --new-tokens 30 --batch 32
Sentences of 20 to 40 pieces, four beams, hypotheses of a fixed length. If FOLDER does not contain the converted
model yet, a separate process creates it.
"""

import argparse
import os
import pathlib
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--dtype", default="int8")
parser.add_argument("--sentences", type=int, default=128)
parser.add_argument("--new-tokens", type=int, default=30)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--convert", action="store_true", help="only create the model")
options = parser.parse_args()
folder = options.folder / options.dtype
VOCABULARY = ["<s>", "<pad>", "</s>", "<unk>"] + [f"t{i}" for i in range(4, 256206)]
LANGUAGE = 256100


def convert():
    import torch
    from ctranslate2.converters.transformers import M2M100Loader
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    torch.manual_seed(0)
    model = M2M100ForConditionalGeneration(M2M100Config(
        vocab_size=256206, d_model=1024, encoder_layers=12, decoder_layers=12, encoder_attention_heads=16,
        decoder_attention_heads=16, encoder_ffn_dim=4096, decoder_ffn_dim=4096, max_position_embeddings=1024,
        activation_function="relu", scale_embedding=True, bos_token_id=0, pad_token_id=1, eos_token_id=2,
        decoder_start_token_id=2)).eval()
    spec = M2M100Loader().get_model_spec(model)
    spec.register_source_vocabulary(VOCABULARY)
    spec.register_target_vocabulary(VOCABULARY)
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = "<s>", "</s>", "<unk>"
    spec.config.decoder_start_token = "</s>"
    spec.validate()
    spec.optimize(quantization=None if options.dtype == "float32" else options.dtype)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


if options.convert:
    convert()
    sys.exit()
if not (folder / "model.bin").exists():
    subprocess.run([sys.executable, __file__, str(options.folder), "--dtype", options.dtype, "--convert"], check=True)

import ctranslate2  # noqa: E402
import measured  # noqa: E402

translator = ctranslate2.Translator(str(folder), device="cpu", compute_type=options.dtype, intra_threads=os.cpu_count())


def source(row):
    pieces = (10 + (row * 7919 + i * 104729) % 250000 for i in range(20 + row * 8 % 21))
    return [VOCABULARY[id] for id in (LANGUAGE - 1, *pieces, 2)]


sources = sorted((source(row) for row in range(options.sentences)), key=len, reverse=True)


def translate(sources, new_tokens):
    return translator.translate_batch(
        sources, target_prefix=[[VOCABULARY[LANGUAGE]]] * len(sources), beam_size=4, max_batch_size=options.batch,
        min_decoding_length=new_tokens, max_decoding_length=new_tokens)


translate(sources[:2], 2)
seconds, _ = measured.seconds(lambda: translate(sources, options.new_tokens))
measured.report([ctranslate2], sentences_per_second=options.sentences / seconds)
