"""Blocks of every GGUF format that is read, and small GGUF models, with what the `gguf` package and
Transformers make of them.

usage: python reference/gguf/export.py         (writes the files beside this script)

- blocks.safetensors: four random blocks of each format (`FORMAT.blocks`) and their values (`FORMAT.values`)
- bpe.gguf, spm.gguf: the tiny models of ../llama with tokenizers in their metadata, as llama.cpp's converter
  writes them (rows of queries and keys reordered, rotary divisors as a tensor)
- expected.json: token ids of `TEXTS` for both tokenizers, plain and decoded again
- bpe/, spm/: tokenizer.json of both, as Transformers builds it from the GGUF file
"""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Q
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).parent
FORMATS = [Q.F16, Q.BF16, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q8_0, Q.Q2_K, Q.Q3_K, Q.Q4_K, Q.Q5_K, Q.Q6_K]
# Where a block holds half-precision scales; random bits there would be infinities.
SCALES = {Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2], Q.Q8_0: [0], Q.Q2_K: [80, 82], Q.Q3_K: [108],
          Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208]}
TEXTS = [
    "Hello, world!", " leading and trailing ", "two  spaces,   three\nlines\n\n\ttab", "year 2024, 3.14159 and 1000000",
    "don't WON'T it's we'll", "Olá, você está bem? Ação!", "日本語のテキスト", "emoji 🙂🚀 mixed", "x = foo(bar)[0]; // comment",
    "<|im_start|>user\nHi<|im_end|>\n", "<s>[INST] Hi [/INST]", "", " ", "\n", "a", "ﬁ Å café", "e\u0301",
]
CORPUS = ["The quick brown fox jumps over the lazy dog. It's 2024, and 1000 people won't say hello.",
          "Olá mundo, você está bem? A ação começa agora. Hello world, hello there, the other one."] * 4


def blocks():
    generator = np.random.default_rng(0)
    tensors = {}
    for kind in FORMATS:
        size, length = gguf.GGML_QUANT_SIZES[kind]
        count = 4 if size > 1 else 64
        data = generator.integers(0, 256, (count, length), dtype=np.uint8)
        if size == 1:
            values = generator.normal(size=count).astype(np.float32)
            data = gguf.quantize(values.reshape(1, -1), kind).view(np.uint8).reshape(count, length)
        for offset in SCALES.get(kind, []):
            data[:, offset:offset + 2] = generator.normal(scale=0.1, size=(count, 1)).astype(np.float16).view(np.uint8)
        raw = data.reshape(1, -1)
        if kind == Q.F16:
            raw = raw.view(np.float16)
        tensors[f"{kind.name}.blocks"] = data.reshape(-1)
        tensors[f"{kind.name}.values"] = gguf.dequantize(raw, kind).astype(np.float32).reshape(-1)
    save_file(tensors, HERE / "blocks.safetensors")


def permute(weight, heads):
    """Order of rows that llama.cpp's rotation of neighbours asks for."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=360, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return tokens, [" ".join(merge) for merge in model["merges"]]


def sentence_piece():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=120, show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    pieces = ["".join(merge) for merge in model["merges"]]
    letters = [token for token in sorted(model["vocab"], key=model["vocab"].get) if token not in pieces]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] + pieces + letters
    scores = [0.0] * 259 + [-float(rank) for rank in range(len(pieces))] + [-1000.0 - i for i in range(len(letters))]
    kinds = [2, 3, 3] + [6] * 256 + [1] * (len(pieces) + len(letters))
    return tokens, scores, kinds


def model(path, source, metadata, tokens, quantised=None):
    """Writes the model of `source` with a token table of as many rows as there are tokens."""
    network = AutoModelForCausalLM.from_pretrained(HERE.parent / "llama" / source)
    torch.manual_seed(0)
    config = network.config
    network.resize_token_embeddings(len(tokens), mean_resizing=False)
    torch.nn.init.normal_(network.get_input_embeddings().weight, 0, 0.2)
    torch.nn.init.normal_(network.get_output_embeddings().weight, 0, 0.2)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_license("apache-2.0")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_rope_dimension_count(head_dim)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_vocab_size(len(tokens))
    metadata(writer)
    if config.rope_parameters["rope_type"] == "llama3":
        plain = 1.0 / config.rope_parameters["rope_theta"] ** (torch.arange(0, head_dim, 2).float() / head_dim)
        writer.add_tensor("rope_freqs.weight", (plain / network.model.rotary_emb.inv_freq).numpy())
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, parameter in network.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = parameter.float().numpy()
        if ".q_proj." in name:
            values = permute(values, config.num_attention_heads)
        if ".k_proj." in name:
            values = permute(values, config.num_key_value_heads)
        stored = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if quantised and values.ndim == 2 and values.shape[1] % 32 == 0:
            writer.add_tensor(stored, gguf.quantize(values, quantised), raw_dtype=quantised)
        else:
            writer.add_tensor(stored, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return network


def expected(path, network=None):
    tokenizer = AutoTokenizer.from_pretrained(HERE, gguf_file=path.name)
    if path.stem == "spm":
        # Transformers' conversion puts SentencePiece's space at the beginning of a text only. The published
        # tokenizers of Llama 2 (legacy) and llama.cpp also put it after every control token.
        backend = tokenizer.backend_tokenizer
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    plain = [tokenizer(text)["input_ids"] for text in TEXTS]
    result = dict(
        ids=[tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS], plain_ids=plain,
        decoded=[tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) for ids in plain])
    if network is not None:
        ids = torch.tensor([[5, 300, 7, 260, 12, 100, 9]])
        result["model_ids"] = ids[0].tolist()
        result["last_logits"] = network(ids).logits[0, -1].tolist()
    return result


def main():
    blocks()
    tokens, merges = byte_level()

    def bpe_metadata(writer):
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        writer.add_token_list(tokens)
        writer.add_token_types([3] * 3 + [1] * (len(tokens) - 3))
        writer.add_token_merges(merges)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_add_bos_token(False)
        writer.add_chat_template("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
                                 "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")

    bpe = model(HERE / "bpe.gguf", "grouped_tied", bpe_metadata, tokens)
    pieces, scores, kinds = sentence_piece()

    def spm_metadata(writer):
        writer.add_tokenizer_model("llama")
        writer.add_token_list(pieces)
        writer.add_token_scores(scores)
        writer.add_token_types(kinds)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)

    spm = model(HERE / "spm.gguf", "llama3_rope", spm_metadata, pieces)
    result = {"texts": TEXTS, "bpe": expected(HERE / "bpe.gguf", bpe), "spm": expected(HERE / "spm.gguf", spm)}
    (HERE / "expected.json").write_text(json.dumps(result, ensure_ascii=False) + "\n")


main()
