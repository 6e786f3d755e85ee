"""The configurations that are exported: for each decoder, what its published models differ in."""

from dataclasses import dataclass

import torch
from transformers import Gemma3TextConfig, GPT2Config, LlamaConfig, MistralConfig, PreTrainedConfig, Qwen2Config, Qwen3Config

LLAMA_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
GPT2_LINEAR = ["c_attn", "c_proj", "c_fc"]


@dataclass
class Variant:
    config: PreTrainedConfig
    dtype: torch.dtype = torch.float32
    shard: str = "1GB"
    older: dict | None = None       # the same configuration as Transformers 4 wrote it
    hub_names: bool = False         # GPT-2's tensors as the published checkpoints name them
    gguf: bool = False
    lora: bool = False

    @property
    def linear_layers(self):
        return GPT2_LINEAR if self.config.model_type == "gpt2" else LLAMA_LINEAR


SHAPE = dict(vocab_size=96, hidden_size=32, intermediate_size=56, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
             rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2)
NARROW = SHAPE | dict(hidden_size=24, intermediate_size=40)
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
LLAMA_OLDER = {
    "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
    "head_dim": 12, "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 56,
    "max_position_embeddings": 128, "mlp_bias": False, "model_type": "llama", "num_attention_heads": 4, "num_hidden_layers": 2,
    "num_key_value_heads": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
    "rope_scaling": {key: value for key, value in LLAMA3.items() if key != "rope_theta"}, "rope_theta": 500000.0,
    "tie_word_embeddings": False, "torch_dtype": "float32", "transformers_version": "4.43.0", "use_cache": True, "vocab_size": 96,
}
LLAMA = {
    "grouped_tied": Variant(LlamaConfig(**SHAPE, tie_word_embeddings=True), gguf=True, lora=True),
    "llama3_rope": Variant(LlamaConfig(**SHAPE, tie_word_embeddings=False, head_dim=12, rope_parameters=LLAMA3), older=LLAMA_OLDER),
    "biases_linear_rope": Variant(LlamaConfig(**SHAPE, tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
                                              rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0})),
    "qwen2": Variant(Qwen2Config(**SHAPE, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6})),
    "mistral_bf16_sharded": Variant(MistralConfig(**SHAPE, head_dim=8, tie_word_embeddings=False, sliding_window=None),
                                    torch.bfloat16, "20KB"),
    "mistral_windowed": Variant(MistralConfig(**NARROW, head_dim=8, tie_word_embeddings=False, sliding_window=4)),
    # The first max_window_layers blocks see everything.
    "qwen2_windowed": Variant(Qwen2Config(**NARROW, use_sliding_window=True, sliding_window=4, max_window_layers=1)),
}

# Heads are not hidden / heads wide, as in most published Qwen3 models. The norms' epsilon is large enough to be seen in the results.
QWEN3_SHAPE = NARROW | dict(head_dim=10, rms_norm_eps=1e-4)
QWEN3_OLDER = {
    "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
    "head_dim": 10, "hidden_act": "silu", "hidden_size": 24, "initializer_range": 0.02, "intermediate_size": 40,
    "max_position_embeddings": 128, "max_window_layers": 2, "model_type": "qwen3", "num_attention_heads": 4, "num_hidden_layers": 2,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-04, "rope_scaling": None, "rope_theta": 1000000, "sliding_window": None,
    "tie_word_embeddings": True, "torch_dtype": "float32", "transformers_version": "4.51.0", "use_cache": True,
    "use_sliding_window": False, "vocab_size": 96,
}
QWEN3 = {
    "tied": Variant(Qwen3Config(**QWEN3_SHAPE, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
                    older=QWEN3_OLDER, gguf=True, lora=True),
    "untied": Variant(Qwen3Config(**QWEN3_SHAPE, tie_word_embeddings=False,
                                  rope_parameters={"rope_type": "default", "rope_theta": 1e4})),
}

# Windows are shorter than the longer sequence. The scale of attention is not that of the head's width, as in Gemma 3 27B.
GEMMA3_SHAPE = dict(vocab_size=96, hidden_size=24, intermediate_size=32, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
                    max_position_embeddings=128, rms_norm_eps=1e-4, pad_token_id=0, eos_token_id=1, bos_token_id=2, sliding_window=4)
GEMMA3_OLDER = {
    "architectures": ["Gemma3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "attn_logit_softcapping": None,
    "bos_token_id": 2, "cache_implementation": "hybrid", "eos_token_id": 1, "final_logit_softcapping": None, "head_dim": 8,
    "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 24, "initializer_range": 0.02, "intermediate_size": 32,
    "max_position_embeddings": 128, "model_type": "gemma3_text", "num_attention_heads": 4, "num_hidden_layers": 3,
    "num_key_value_heads": 2, "pad_token_id": 0, "query_pre_attn_scalar": 6, "rms_norm_eps": 1e-04, "rope_local_base_freq": 100,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "rope_theta": 1000, "sliding_window": 4, "sliding_window_pattern": 3,
    "torch_dtype": "float32", "transformers_version": "4.50.0.dev0", "use_cache": True, "vocab_size": 96,
}
GEMMA3 = {
    "scaled": Variant(Gemma3TextConfig(
        **GEMMA3_SHAPE, num_hidden_layers=3, query_pre_attn_scalar=6, sliding_window_pattern=3,
        rope_parameters={"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000.0},
                         "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}}),
        older=GEMMA3_OLDER, lora=True),
    # What GGUF can say: every sixth layer global, a local base of 10,000, the scale that of the head's width.
    "seven_layers": Variant(Gemma3TextConfig(
        **GEMMA3_SHAPE | dict(hidden_size=16, intermediate_size=20, num_attention_heads=2, num_key_value_heads=1),
        num_hidden_layers=7, query_pre_attn_scalar=8), gguf=True),
}

GPT2_SHAPE = dict(vocab_size=96, n_embd=18, n_head=3, n_layer=2, n_positions=48, layer_norm_epsilon=1e-4, bos_token_id=0, eos_token_id=0)
GPT2_OLDER = {
    "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1, "bos_token_id": 0, "embd_pdrop": 0.1,
    "eos_token_id": 0, "initializer_range": 0.02, "layer_norm_epsilon": 1e-04, "model_type": "gpt2", "n_ctx": 48, "n_embd": 18,
    "n_head": 3, "n_layer": 2, "n_positions": 48, "resid_pdrop": 0.1, "summary_activation": None, "summary_first_dropout": 0.1,
    "summary_proj_to_labels": True, "summary_type": "cls_index", "summary_use_proj": True, "vocab_size": 96,
}
GPT2 = {
    "tied": Variant(GPT2Config(**GPT2_SHAPE), older=GPT2_OLDER, gguf=True, lora=True),
    "hub_names": Variant(GPT2Config(**GPT2_SHAPE, n_inner=40), hub_names=True),
}

FAMILIES = {"llama": LLAMA, "qwen3": QWEN3, "gemma3": GEMMA3, "gpt2": GPT2}
