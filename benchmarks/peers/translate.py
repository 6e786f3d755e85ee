"""Beam search in NLLB-600M's shape and random weights in Transformers; prints one JSON line.

usage: translate.py --dtype float32|bfloat16 --sentences 128 --new-tokens 30 --batch 32
Sentences of 20 to 40 pieces, four beams, hypotheses of a fixed length, batched by length.
"""

import argparse

import measured
import torch
import transformers

parser = argparse.ArgumentParser()
parser.add_argument("--dtype", default="float32")
parser.add_argument("--sentences", type=int, default=128)
parser.add_argument("--new-tokens", type=int, default=30)
parser.add_argument("--batch", type=int, default=32)
options = parser.parse_args()

LANGUAGE = 256100
torch.manual_seed(0)
torch.set_default_dtype(getattr(torch, options.dtype))
model = transformers.M2M100ForConditionalGeneration(transformers.M2M100Config(
    vocab_size=256206, d_model=1024, encoder_layers=12, decoder_layers=12, encoder_attention_heads=16,
    decoder_attention_heads=16, encoder_ffn_dim=4096, decoder_ffn_dim=4096, max_position_embeddings=1024,
    activation_function="relu", scale_embedding=True, bos_token_id=0, pad_token_id=1, eos_token_id=2,
    decoder_start_token_id=2)).eval()


def source(row):
    return [LANGUAGE - 1, *(10 + (row * 7919 + i * 104729) % 250000 for i in range(20 + row * 8 % 21)), 2]


sources = sorted((source(row) for row in range(options.sentences)), key=len, reverse=True)


def translate(sources, new_tokens):
    for start in range(0, len(sources), options.batch):
        batch = sources[start:start + options.batch]
        ids = torch.tensor([row + [1] * (len(batch[0]) - len(row)) for row in batch])
        with torch.no_grad():
            model.generate(ids, attention_mask=(ids != 1).long(), forced_bos_token_id=LANGUAGE, num_beams=4,
                           do_sample=False, max_new_tokens=new_tokens, min_new_tokens=new_tokens)


translate(sources[:2], 2)
seconds, _ = measured.seconds(lambda: translate(sources, options.new_tokens))
measured.report([torch, transformers], sentences_per_second=options.sentences / seconds)
