"""CometKiwi in unbabel-comet: wmt22-cometkiwi-da's shape with random weights.

usage: comet_kiwi.py DIR --write [--pairs 64]       writes the model and pairs.tsv, about 60 pieces per pair
       comet_kiwi.py DIR [--dtype float32] [--bare]  scores them; prints one JSON line

--bare skips PyTorch Lightning's predict loop: only the tokenizer, batches of 16 and the model. bfloat16 always runs bare.
"""

import argparse
import json
import os
import pathlib
import random
import resource
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import comet
import torch
import transformers

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--write", action="store_true")
parser.add_argument("--pairs", type=int, default=64)
parser.add_argument("--dtype", default="float32")
parser.add_argument("--bare", action="store_true")
parser.add_argument("--batch", type=int, default=16)
options = parser.parse_args()
VOCABULARY = 250_002


def write():
    import pytorch_lightning
    import tokenizers
    import yaml
    from comet.models import str2model

    (options.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    os.chdir(options.folder)
    words = ["<s>", "<pad>", "</s>", "<unk>"] + [f"w{i}" for i in range(4, VOCABULARY - 1)] + ["<mask>"]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    transformers.XLMRobertaTokenizerFast(tokenizer_object=tokenizer).save_pretrained(".")
    transformers.XLMRobertaConfig(
        vocab_size=VOCABULARY, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096,
        max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1).save_pretrained(".")
    torch.manual_seed(0)
    hparams = dict(pretrained_model=".", layer_norm=False, input_segments=["mt", "src"], layer_transformation="softmax")
    model = str2model["unified_metric"](load_pretrained_weights=False, nr_frozen_epochs=0.3, **hparams)
    trainer = pytorch_lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.strategy.connect(model)
    trainer.save_checkpoint("checkpoints/model.ckpt", weights_only=True)
    pathlib.Path("hparams.yaml").write_text(yaml.dump(dict(hparams, class_identifier="unified_metric")))
    generator = random.Random(0)
    text = lambda: " ".join(f"w{generator.randrange(4, VOCABULARY - 1)}" for _ in range(generator.randint(18, 38)))
    pathlib.Path("pairs.tsv").write_text("".join(f"{text()}\t{text()}\n" for _ in range(options.pairs)))


def score():
    os.chdir(options.folder)
    model = comet.load_from_checkpoint("checkpoints/model.ckpt").eval()
    pairs = [line.split("\t") for line in pathlib.Path("pairs.tsv").read_text().splitlines()]
    samples = [dict(src=source, mt=translation) for source, translation in pairs]
    bare = options.bare or options.dtype != "float32"
    model = model.to(getattr(torch, options.dtype))

    def run(samples):
        if not bare:
            return model.predict(samples, batch_size=options.batch, gpus=0, num_workers=1, progress_bar=False).scores
        scores = [0.0] * len(samples)
        order = sorted(range(len(samples)), key=lambda i: len(samples[i]["mt"]) + len(samples[i]["src"]))
        with torch.no_grad():
            for start in range(0, len(order), options.batch):
                batch = order[start:start + options.batch]
                inputs = model.prepare_sample([samples[i] for i in batch], stage="predict")
                for i, value in zip(batch, model(**inputs[0]).score.float().tolist()):
                    scores[i] = value
        return scores

    run(samples[:4])
    start = time.perf_counter()
    scores = run(samples)
    print(json.dumps({
        "segments_per_second": len(samples) / (time.perf_counter() - start),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "scores": scores,
        "version": f"unbabel-comet {comet.__version__ if hasattr(comet, '__version__') else ''}, torch {torch.__version__}",
    }))


write() if options.write else score()
