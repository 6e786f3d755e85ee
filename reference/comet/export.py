"""Writes tiny random COMET metrics with unbabel-comet, and what it scores with them.

    pip install unbabel-comet safetensors
    python export.py

Each folder is laid out as the published models are (hparams.yaml, checkpoints/model.ckpt), with the
encoder's config.json and tokenizer.json beside them. Nothing is downloaded.
"""

import json
import os
import shutil
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

import pytorch_lightning as ptl
import torch
import yaml
from comet.models import load_from_checkpoint, str2model
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizerFast

HERE = Path(__file__).parent

# (source, translation, reference); long ones come near the 128 tokens of the tiny encoder.
SAMPLES = [
    ("The cat sat on the mat.", "O gato sentou-se no tapete.", "O gato estava sentado no tapete."),
    ("Good morning!", "Bom dia!", "Bom dia!"),
    ("Water boils at 100 degrees.", "A água ferve a 100 graus.", "A água entra em ebulição a 100 °C."),
    ("", "Nada.", "Nada mesmo."),
    ("Something.", "", "Alguma coisa."),
    ("She  sells\tsea shells.", "Ela vende conchas.", "Ela vende conchas do mar."),
    ("naïve café — “déjà vu”", "ingénuo café", "café ingênuo"),
    ("東京は日本の首都です。", "Tokyo is the capital.", "Tokyo is Japan's capital."),
    ("The mat sat on the cat.", "O gato sentou-se no tapete.", "O tapete caiu em cima do gato."),
    ("a b c d e f g h", "h g f e d c b a", "a b c d e f g h"),
    ("Emoji 🙂 and <unk> things", "Coisas 🙂", "Emoji 🙂 e coisas <unk>"),
    ("no no no no no no no no", "não não não não não", "não, não, não"),
]

VARIANTS = {
    # As wmt22-cometkiwi-da: sparsemax declared, softmax by the patch of hparams.yaml.
    "kiwi": dict(
        class_identifier="unified_metric",
        layer_transformation="sparsemax",
        layer_norm=False,
        input_segments=["mt", "src"],
        sent_layer="mix",
        word_layer=2,
        word_level_training=True,
    ),
    # As wmt22-comet-da.
    "comet": dict(
        class_identifier="regression_metric",
        layer_transformation="sparsemax",
        layer_norm=False,
        pool="avg",
    ),
    # Three inputs, normalised layers, a final activation, and sparsemax that is meant.
    "unified_reference": dict(
        class_identifier="unified_metric",
        layer_transformation="sparsemax",
        layer_norm=True,
        input_segments=["mt", "src", "ref"],
        final_activation="Sigmoid",
    ),
    "referenceless_max": dict(
        class_identifier="referenceless_regression_metric",
        layer_transformation="softmax",
        layer_norm=True,
        pool="max",
    ),
    # One layer, first token, one hidden layer.
    "regression_cls": dict(
        class_identifier="regression_metric",
        layer=1,
        pool="cls",
        hidden_sizes=[10],
        activations="Sigmoid",
    ),
}


def write_encoder(folder: Path) -> None:
    """A tokenizer and a configuration of the XLM-R kind."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(" {2,}", " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator([text for sample in SAMPLES for text in sample] * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    XLMRobertaTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=130,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=1,
    ).save_pretrained(folder)


def export(name: str, settings: dict, seed: int) -> None:
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "checkpoints").mkdir(parents=True)
    write_encoder(folder)
    # The checkpoint remembers this path; "." says nothing of the machine.
    os.chdir(folder)
    torch.manual_seed(seed)
    settings = dict(settings)
    identifier = settings.pop("class_identifier")
    settings.setdefault("hidden_sizes", [12, 8])
    model = str2model[identifier](
        pretrained_model=".", load_pretrained_weights=False, nr_frozen_epochs=0.3, **settings
    )
    for parameter_name, parameter in model.named_parameters():
        scale = 0.6 if "scalar_parameters" in parameter_name else 0.25
        torch.nn.init.normal_(parameter.data, std=scale)
        if "LayerNorm.weight" in parameter_name or "gamma" in parameter_name:
            parameter.data += 1.0
    trainer = ptl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.strategy.connect(model)
    trainer.save_checkpoint("checkpoints/model.ckpt", weights_only=True)
    hparams = dict(settings, class_identifier=identifier, pretrained_model=".")
    if name == "kiwi":
        hparams["layer_transformation"] = "sparsemax_patch"
    Path("hparams.yaml").write_text(yaml.dump(hparams))

    loaded = load_from_checkpoint("checkpoints/model.ckpt")
    loaded.eval()
    samples = [dict(src=src, mt=mt, ref=ref) for src, mt, ref in SAMPLES]
    with_reference = identifier != "referenceless_regression_metric" and name != "kiwi"
    keys = ["src", "mt", "ref"] if with_reference else ["src", "mt"]
    asked = [{key: sample[key] for key in keys} for sample in samples]
    scores = loaded.predict(asked, batch_size=4, gpus=0, num_workers=1, progress_bar=False).scores
    expected = dict(samples=samples, scores=[float(score) for score in scores])
    if name == "unified_reference":
        without = [{key: sample[key] for key in ["src", "mt"]} for sample in samples]
        scores = loaded.predict(without, batch_size=4, gpus=0, num_workers=1, progress_bar=False).scores
        expected["scores_without_reference"] = [float(score) for score in scores]
    Path("expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=0))

    if name == "kiwi":
        encoder: XLMRobertaModel = loaded.encoder.model
        ids = loaded.encoder.tokenizer(SAMPLES[0][0])["input_ids"]
        states = encoder(torch.tensor([ids]), output_hidden_states=True).hidden_states
        tensors = {f"hidden.{i}": state[0].detach().contiguous() for i, state in enumerate(states)}
        tensors["ids"] = torch.tensor(ids, dtype=torch.float32)
        save_file(tensors, "hidden.safetensors")
    for extra in ["special_tokens_map.json", "tokenizer_config.json"]:
        Path(extra).unlink(missing_ok=True)


for seed, (name, settings) in enumerate(VARIANTS.items()):
    export(name, settings, seed)
    print(name, sum(file.stat().st_size for file in (HERE / name).rglob("*") if file.is_file()), "bytes")
