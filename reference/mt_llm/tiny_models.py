"""The tiny random models of which the stacks are made, as Transformers saves them.

The NLLB encoder is that of ../m2m100/tiny; the others are written here.
"""

import json
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (AutoModel, AutoModelForCausalLM, AutoTokenizer, BertConfig, BertModel, BertTokenizerFast, GPT2Config,
                          LlamaConfig, NllbTokenizer, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel,
                          XLMRobertaTokenizerFast)

HERE = Path(__file__).parent
NLLB = HERE.parent / "m2m100" / "tiny"
ENCODERS = {"nllb": NLLB, "xlm_roberta": HERE / "xlm_roberta", "bert": HERE / "bert"}
LLMS = {"llama": HERE / "llama", "gpt2": HERE / "gpt2"}
LLAMA_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
GPT2_LINEAR = ["c_attn", "c_proj", "c_fc"]
# Pieces with their scores, and words, in the order of their ids. They were trained on texts.py once: the trainers of `tokenizers`
# go through hash tables, and two trainings give the same pieces in different orders.
VOCABULARIES = json.loads((HERE / "vocabularies.json").read_text())
# The split of Llama 3's tokenizer.
WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_pairs(texts, specials, split):
    """A byte-level tokenizer with the alphabet of `texts`; `split` is its words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = (
        pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split), "isolated"),
                                 pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        if split else pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=260, special_tokens=specials, show_progress=False))
    return tokenizer


def write_llama(texts):
    bos, end = "<|begin_of_text|>", "<|end_of_text|>"
    tokenizer = byte_pairs(texts, [bos, end], WORDS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, 0)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=end).save_pretrained(LLMS["llama"])
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5, bos_token_id=0, eos_token_id=1,
        tie_word_embeddings=True)
    write_random(AutoModelForCausalLM.from_config(config), LLMS["llama"], 1)


def write_gpt2(texts):
    end = "<|endoftext|>"
    tokenizer = byte_pairs(texts, [end], None)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=end, eos_token=end).save_pretrained(LLMS["gpt2"])
    config = GPT2Config(vocab_size=tokenizer.get_vocab_size(), n_embd=18, n_head=3, n_layer=2, n_positions=128, bos_token_id=0,
                        eos_token_id=0, layer_norm_epsilon=1e-4)
    write_random(AutoModelForCausalLM.from_config(config), LLMS["gpt2"], 2)


def write_xlm_roberta():
    pieces = [tuple(piece) for piece in VOCABULARIES["xlm_roberta"]]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    XLMRobertaTokenizerFast(tokenizer_object=tokenizer).save_pretrained(ENCODERS["xlm_roberta"])
    # Transformers splits at spaces whatever the file says, so the file is to say it.
    AutoTokenizer.from_pretrained(ENCODERS["xlm_roberta"]).save_pretrained(ENCODERS["xlm_roberta"])
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=130, pad_token_id=1, bos_token_id=0, eos_token_id=2, type_vocab_size=1, layer_norm_eps=1e-5)
    write_random(XLMRobertaModel(config, add_pooling_layer=False), ENCODERS["xlm_roberta"], 3)


def write_bert():
    words = {word: number for number, word in enumerate(VOCABULARIES["bert"])}
    tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    BertTokenizerFast(tokenizer_object=tokenizer).save_pretrained(ENCODERS["bert"])
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=20, num_hidden_layers=2, num_attention_heads=2, intermediate_size=28,
        max_position_embeddings=128, type_vocab_size=2)
    write_random(BertModel(config, add_pooling_layer=False), ENCODERS["bert"], 4)


def write_random(model, folder, seed):
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        gain = ("norm" in name.lower() or ".ln_" in name) and name.endswith("weight")
        torch.nn.init.normal_(parameter, 1.0 if gain else 0.0, 0.2)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)


def write(texts):
    write_llama(texts)
    write_gpt2(texts)
    write_xlm_roberta()
    write_bert()


def load_encoder(name):
    folder = ENCODERS[name]
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = NllbTokenizer if name == "nllb" else AutoTokenizer
    return (model.encoder if name == "nllb" else model), tokenizer.from_pretrained(folder)


def load_llm(name):
    folder = LLMS[name]
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    return model, PreTrainedTokenizerFast.from_pretrained(folder)
