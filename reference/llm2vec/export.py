"""LLM2Vec's two recipes (arXiv 2404.05961) in PyTorch: masked next-token prediction and SimCSE of tiny LLMs.

usage: python reference/llm2vec/export.py        (torch, transformers, peft)

The models and their adapters are those of ../llama/grouped_tied and ../gpt2/tied. Writes beside this file
  expected.json         masked documents, sentences, losses, ten steps of both recipes; a contrastive loss of random states
  FAMILY.safetensors    gradients of the adapters by name
  llama_mntp/, llama_simcse/   adapters of the Llama as LLM2Vec's are saved: of a model without its output layer
  merged.safetensors    hidden states of the Llama with both merged by PEFT, in that order
"""

import json
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy, normalize
from transformers import AutoModel, AutoModelForCausalLM

HERE = Path(__file__).parent
FAMILIES = {"llama": HERE.parent / "llama/grouped_tied", "gpt2": HERE.parent / "gpt2/tied"}
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# A temperature at which random states are far from solved, unlike the usual 0.05.
MASK_TOKEN, TEMPERATURE = 4, 1.0
STEPS, RATE = 10, 5e-3
torch.set_num_threads(1)


def load(folder, kind=AutoModelForCausalLM):
    return kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def states(model, ids):
    """Last hidden states of one sequence without a causal mask."""
    length = len(ids)
    everything = torch.zeros(1, 1, length, length)
    output = model(input_ids=torch.tensor([ids]), attention_mask=everything, output_hidden_states=True, use_cache=False)
    return output.hidden_states[-1][0]


def check_bidirectional(model):
    with torch.no_grad():
        first, other = (states(model, [5, 9, 7, last])[0] for last in (11, 12))
    assert not torch.allclose(first, other), "the first token does not see the last"


def random_documents(count, generator):
    lengths = torch.randint(4, 12, (count,), generator=generator)
    documents = []
    for length in lengths.tolist():
        ids = torch.randint(5, 96, (length,), generator=generator).tolist()
        masked = (torch.rand(length, generator=generator) < 0.3).tolist()
        masked[0] = False
        documents.append(dict(ids=ids, masked=masked))
    return documents


def mntp_loss(model, documents):
    """As in Transformers' causal loss: the logits of a position against the label of the next, mean over the labels."""
    logits, labels = [], []
    for document in documents:
        ids = torch.tensor(document["ids"])
        masked = torch.tensor(document["masked"])
        hidden = states(model, torch.where(masked, MASK_TOKEN, ids).tolist())
        logits.append(model.get_output_embeddings()(hidden)[:-1])
        labels.append(torch.where(masked, ids, -100)[1:])
    return cross_entropy(torch.cat(logits), torch.cat(labels), ignore_index=-100)


def contrast(first, second):
    """LLM2Vec's HardNegativeNLLLoss without hard negatives."""
    scores = normalize(first) @ normalize(second).T / TEMPERATURE
    return cross_entropy(scores, torch.arange(len(scores)))


def simcse_loss(model, documents):
    pooled = [torch.stack([states(model, document["ids"]).mean(0) for document in documents]) for _ in range(2)]
    return contrast(*pooled)


def adapted(folder):
    model = PeftModel.from_pretrained(load(folder), folder.with_name(f"{folder.name}_lora"), is_trainable=True)
    check_bidirectional(model)
    return model.eval()


def name_of(parameter):
    return parameter.replace(".default.", ".")


def recipe(folder, loss_of, documents, generator):
    """Loss and gradients of all documents at once, and ten steps over half of them each."""
    model = adapted(folder)
    loss = loss_of(model, documents)
    loss.backward()
    gradients = {name_of(name): p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}
    model.zero_grad()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.01)
    steps = []
    for _ in range(STEPS):
        items = torch.randperm(len(documents), generator=generator)[: len(documents) // 2].tolist()
        optimizer.zero_grad()
        step_loss = loss_of(model, [documents[item] for item in items])
        step_loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        steps.append(dict(items=items, loss=step_loss.item()))
    return dict(loss=loss.item(), steps=steps), gradients


def merged():
    """The Llama with two adapters merged, the second made on the model merged with the first."""
    folder = FAMILIES["llama"]
    model = load(folder, AutoModel)
    for seed, name in enumerate(["llama_mntp", "llama_simcse"]):
        config = LoraConfig(r=2 + seed, lora_alpha=8, lora_dropout=0.05, target_modules=LINEAR)
        peft = get_peft_model(model, config)
        torch.manual_seed(20 + seed)
        for parameter in peft.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, 0.0, 0.2)
        # LLM2Vec's adapters name a model on the hub, which need not be on this disk.
        peft.peft_config["default"].base_model_name_or_path = "published/base"
        peft.save_pretrained(HERE / name)
        (HERE / name / "README.md").unlink(missing_ok=True)
        path = HERE / name / "adapter_config.json"
        written = json.loads(path.read_text())
        written["target_modules"].sort()
        path.write_text(json.dumps(written, indent=2) + "\n")
        model = peft.merge_and_unload()
    ids = [5, 17, 80, 4, 33, 9]
    with torch.no_grad():
        hidden = states(model, ids)
    save_file({"hidden": hidden.contiguous()}, HERE / "merged.safetensors")
    return ids


expected = dict(mask_token=MASK_TOKEN, temperature=TEMPERATURE, learning_rate=RATE, weight_decay=0.01)
for family, folder in FAMILIES.items():
    generator = torch.Generator().manual_seed(5)
    documents = random_documents(8, generator)
    tensors, found = {}, dict(documents=documents)
    for name, loss_of in (("mntp", mntp_loss), ("simcse", simcse_loss)):
        found[name], gradients = recipe(folder, loss_of, documents, generator)
        tensors |= {f"{name}.{parameter}": gradient.contiguous() for parameter, gradient in gradients.items()}
        print(family, name, found[name]["loss"], [round(step["loss"], 4) for step in found[name]["steps"]])
    save_file(tensors, HERE / f"{family}.safetensors")
    expected[family] = found
generator = torch.Generator().manual_seed(6)
pairs = torch.randn(2, 5, 7, generator=generator, requires_grad=True)
loss = contrast(*pairs)
loss.backward()
expected["contrast"] = dict(states=pairs.detach().reshape(10, 7).tolist(), loss=loss.item(),
                            gradient=pairs.grad.reshape(10, 7).tolist())
expected["merged_ids"] = merged()
(HERE / "expected.json").write_text(json.dumps(expected) + "\n")
