"""Steps of MT-LLM's stage 1 in PyTorch, SmolLM2-135M's shape on multilingual-e5-small's; prints one JSON line.

usage: stack_step.py --dtype float32|bfloat16 [--documents 16] [--length 64] [--steps 5]

As the authors' code does it: encoder and teacher without gradients, the LLM without a causal mask reading the projected states
through PEFT's adapters, mean squared error of the pooled states, AdamW.
"""

import argparse

import measured
import peft
import torch
import transformers

parser = argparse.ArgumentParser()
parser.add_argument("--dtype", default="float32")
parser.add_argument("--documents", type=int, default=16)
parser.add_argument("--length", type=int, default=64)
parser.add_argument("--steps", type=int, default=5)
options = parser.parse_args()

torch.manual_seed(0)
dtype = getattr(torch, options.dtype)
encoder = transformers.BertModel(transformers.BertConfig(
    vocab_size=250037, hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536),
    add_pooling_layer=False).to(dtype).eval().requires_grad_(False)
llm = transformers.LlamaModel(transformers.LlamaConfig(
    vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
    num_key_value_heads=3, max_position_embeddings=8192, rope_theta=100000.0)).to(dtype)
llm = peft.get_peft_model(llm, peft.LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear")).train()
projection = torch.nn.Linear(384, 576)  # trained, so f32
trained = [*projection.parameters(), *(parameter for parameter in llm.parameters() if parameter.requires_grad)]
optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
shape = (options.documents, options.length)
source, target = torch.randint(4, 250037, shape), torch.randint(4, 49152, shape)
# A mask that hides nothing: every token sees all of its document.
visible = torch.ones(options.documents, 1, options.length, options.length, dtype=torch.bool)


def step():
    optimizer.zero_grad()
    with torch.no_grad():
        states = encoder(source).last_hidden_state
        with llm.disable_adapter():
            teacher = llm(input_ids=target, attention_mask=visible, use_cache=False).last_hidden_state.float().mean(1)
    embedded = projection(states.float()).to(dtype)
    student = llm(inputs_embeds=embedded, attention_mask=visible, use_cache=False).last_hidden_state.float().mean(1)
    loss = torch.nn.functional.mse_loss(student, teacher)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    return loss.item()


median = measured.median_seconds(step, options.steps)
measured.report([torch, transformers, peft], documents_per_second=options.documents / median,
                tokens_per_second=options.documents * options.length / median)
