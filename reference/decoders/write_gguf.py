"""Tiny decoders as llama.cpp's converter (`convert_hf_to_gguf.py`) writes them, and a tokenizer of 96 tokens for them."""

import json
import tempfile
from pathlib import Path

import gguf
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

CORPUS = ["The quick brown fox jumps over the lazy dog. It says hello, and hello again: it won't stop.",
          "Olá mundo, tudo bem? A ação começa agora."] * 4
SIZE = 96


def byte_level(writer, pre, end):
    """GPT-2's kind. The letters are those of the corpus; a published one has all 256 bytes."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=SIZE, special_tokens=special, show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(special) + [1] * (len(tokens) - len(special)))
    writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(end if end == 0 else 1)
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)
    return tokens


def sentence_piece(writer):
    """Gemma's kind: no space before the text, special tokens in its order, BOS added."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=SIZE - len(special), show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    pieces = ["".join(merge) for merge in model["merges"]]
    letters = [token for token in sorted(model["vocab"], key=model["vocab"].get) if token not in pieces]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(special + pieces + letters)
    writer.add_token_scores([-1000.0] * 4 + [-float(rank) for rank in range(len(pieces))] + [-1000.0 - i for i in range(len(letters))])
    writer.add_token_types([3, 3, 3, 2] + [1] * (len(pieces) + len(letters)))
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    return special + pieces + letters


def add_tokenizer(writer, model_type):
    match model_type:
        case "gemma3_text":
            tokens = sentence_piece(writer)
        case "gpt2":
            tokens = byte_level(writer, "gpt-2", 0)
        case _:
            tokens = byte_level(writer, "qwen2", 2)
    assert len(tokens) == SIZE, len(tokens)


def write_tokenizer(folder, model_type):
    """The same tokenizer as Transformers reads it from the GGUF file, into a model's directory."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "tokenizer.gguf"
        writer = gguf.GGUFWriter(path, {"gemma3_text": "gemma3", "gpt2": "gpt2"}.get(model_type, "qwen2"))
        writer.add_block_count(1)
        add_tokenizer(writer, model_type)
        finish(writer)
        tokenizer = AutoTokenizer.from_pretrained(scratch, gguf_file=path.name)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    special = {"bos_token": tokenizer.bos_token, "eos_token": tokenizer.eos_token}
    (folder / "tokenizer_config.json").write_text(json.dumps(special) + "\n")


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def permute(values, heads):
    """Rows of queries and keys in the order that llama.cpp's rotation of neighbours asks for in Llamas."""
    return values.reshape(heads, 2, values.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(values.shape)


def add_llama(writer, config):
    add_qwen3(writer, config)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)


def add_qwen3(writer, config):
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)


def add_gemma3(writer, config):
    # Pattern, local base and scale are no part of the file: llama.cpp takes six, 10,000 and the head's width.
    assert config.layer_types[5::6] == ["full_attention"] * (config.num_hidden_layers // 6)
    assert config.rope_parameters["sliding_attention"]["rope_theta"] == 10_000 and config.query_pre_attn_scalar == config.head_dim
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["full_attention"]["rope_theta"])
    writer.add_sliding_window(config.sliding_window)
    writer.add_head_count_kv(config.num_key_value_heads)


def add_gpt2(writer, config):
    writer.add_context_length(config.n_positions)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(4 * config.n_embd)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)


ARCHITECTURES = {
    "llama": (gguf.MODEL_ARCH.LLAMA, add_llama),
    "qwen3": (gguf.MODEL_ARCH.QWEN3, add_qwen3),
    "gemma3_text": (gguf.MODEL_ARCH.GEMMA3, add_gemma3),
    "gpt2": (gguf.MODEL_ARCH.GPT2, add_gpt2),
}


def write_gguf(path, config, tensors):
    architecture, add_shape = ARCHITECTURES[config.model_type]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_name("tiny")
    writer.add_license("apache-2.0")
    writer.add_block_count(config.num_hidden_layers)
    add_shape(writer, config)
    add_tokenizer(writer, config.model_type)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, tensor in tensors.items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.float().numpy()
        if config.model_type == "llama" and ".q_proj" in name:
            values = permute(values, config.num_attention_heads)
        if config.model_type == "llama" and ".k_proj" in name:
            values = permute(values, config.num_key_value_heads)
        if config.model_type == "gpt2" and ".c_" in name and values.ndim == 2:
            values = values.T.copy()
        if config.model_type == "gemma3_text" and name.endswith("norm.weight"):
            values = values + 1
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), values)
    finish(writer)
