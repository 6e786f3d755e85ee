"""What Transformers and PEFT compute with tiny encoders: ids of texts and pairs, hidden states, gradients.

usage: python reference/encoders/export.py        (writes beside this script)

The encoders are ../mt_llm/xlm_roberta, ../mt_llm/bert and the encoder half of ../m2m100/tiny. `expected.json` holds the ids
and token types of texts and pairs at several maximum lengths (`longest_first`), and the sequences of the forward pass;
NAME.safetensors all hidden states of those, and the gradients of loss = sum(weights x last hidden states) by name.
NAME_adapter/ is a PEFT adapter on every linear layer; `adapted.` tensors are those of the model with it.
"""

import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModel, BertTokenizer, NllbTokenizer, PreTrainedTokenizerFast

torch.set_num_threads(1)
HERE = Path(__file__).parent
FOLDERS = {"xlm_roberta": "mt_llm/xlm_roberta", "bert": "mt_llm/bert", "nllb": "m2m100/tiny"}
# XLM-R's tokenizer.json as it is: XLMRobertaTokenizer of Transformers 5 takes only the vocabulary from it and splits texts
# its own way, whatever the file says.
TOKENIZERS = {"xlm_roberta": PreTrainedTokenizerFast, "bert": BertTokenizer, "nllb": NllbTokenizer}
LINEAR = {
    "xlm_roberta": ["query", "key", "value", "dense"],
    "bert": ["query", "key", "value", "dense"],
    "nllb": r"encoder\.layers\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)",
}
TEXTS = [
    "", " ", "The library opens at nine.", "Three friends walked to the market and bought bread, apples and 12 eggs.",
    "A kind word costs nothing, yet many people keep theirs in a locked box.", "  two  spaces and a\ttab\nand lines ",
    "Ünïcödé ① ﬁ, e\u0301, emoji 🙂 and ☃", "A literal </s> and <pad> and [SEP] in the text",
]
PAIRS = [(TEXTS[2], TEXTS[3]), (TEXTS[3], TEXTS[2]), (TEXTS[3], TEXTS[4]), ("", TEXTS[2]), (TEXTS[2], ""), ("", "")]
LENGTHS = [None, 30, 17, 12, 6, 5]
# The forward pass reads these, each as its own sequence.
BATCH = [PAIRS[0], (TEXTS[7], None), (TEXTS[0], None), (TEXTS[3], None)]
LANGUAGES = ["eng_Latn", "por_Latn"]


def encode(tokenizer, first, second, **truncated):
    """As in a batch: alone, a pair with an empty second text would be tokenised as a single one."""
    encoding = tokenizer([first], second if second is None else [second], **truncated)
    ids = encoding.input_ids[0]
    # What the model is given: NLLB's tokenizer has no types.
    return ids, encoding["token_type_ids"][0] if "token_type_ids" in encoding else [0] * len(ids)


def tokenized(name, tokenizer):
    cases = []
    for language in LANGUAGES if name == "nllb" else [None]:
        if language:
            tokenizer.src_lang = language
        for first, second in [(text, None) for text in TEXTS] + PAIRS:
            for length in LENGTHS:
                truncated = {} if length is None else dict(truncation="longest_first", max_length=length)
                ids, types = encode(tokenizer, first, second, **truncated)
                whole, _ = encode(tokenizer, first, second)
                cases.append(dict(first=first, second=second, language=language, max_length=length, ids=ids, types=types,
                                  truncated=len(whole) > len(ids)))
    return cases


def forward(name, model, sequences, weights):
    """All hidden states of the sequences laid end to end, and the loss."""
    layers, at, loss = None, 0, 0.0
    encoder = model.get_encoder() if name == "nllb" else model
    for sequence in sequences:
        ids = torch.tensor([sequence["ids"]])
        types = {} if name == "nllb" else dict(token_type_ids=torch.tensor([sequence["types"]]))
        output = encoder(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True, **types)
        states = [state[0] for state in output.hidden_states]
        assert torch.equal(states[-1], output.last_hidden_state[0])
        layers = states if layers is None else [torch.cat(pair) for pair in zip(layers, states)]
        loss = loss + (states[-1] * weights[at:at + ids.shape[1]]).sum()
        at += ids.shape[1]
    return layers, loss


def gradients(model):
    named = ((name.removeprefix("base_model.model.").replace(".default.", "."), parameter.grad)
             for name, parameter in model.named_parameters())
    return {name: gradient.clone() for name, gradient in named if gradient is not None}


def adapted(name, model):
    """The model with a PEFT adapter of random weights, written to NAME_adapter/."""
    model = get_peft_model(model, LoraConfig(
        task_type="FEATURE_EXTRACTION", r=3, lora_alpha=6, lora_dropout=0.0, target_modules=LINEAR[name]))
    torch.manual_seed(7)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, 0.0, 0.1)
    folder = HERE / f"{name}_adapter"
    model.peft_config["default"].base_model_name_or_path = f"../../{FOLDERS[name]}"
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    written = json.loads(path.read_text())
    if isinstance(written["target_modules"], list):
        written["target_modules"].sort()    # PEFT writes a set, in another order each time
    path.write_text(json.dumps(written, indent=2) + "\n")
    return model


def main():
    expected = {}
    for name, folder in FOLDERS.items():
        folder = HERE.parent / folder
        tokenizer = TOKENIZERS[name].from_pretrained(folder)
        more = {} if name == "nllb" else dict(add_pooling_layer=False)
        model = AutoModel.from_pretrained(folder, dtype=torch.float32, **more).eval()
        if name == "nllb":
            tokenizer.src_lang = "eng_Latn"
        sequences = []
        for first, second in BATCH:
            ids, types = encode(tokenizer, first, second)
            sequences.append(dict(ids=ids, types=types))
        width, tokens = model.config.hidden_size, sum(len(sequence["ids"]) for sequence in sequences)
        weights = torch.randn(tokens, width, generator=torch.Generator().manual_seed(1))
        layers, loss = forward(name, model, sequences, weights)
        loss.backward()
        tensors = {f"hidden.{index}": states.detach() for index, states in enumerate(layers)} | {"weights": weights}
        tensors |= {f"gradient.{parameter}": gradient for parameter, gradient in gradients(model).items()
                    if "embed" not in parameter and "shared" not in parameter}
        model.zero_grad(set_to_none=True)
        model = adapted(name, model)
        layers, adapted_loss = forward(name, model.base_model.model, sequences, weights)
        adapted_loss.backward()
        tensors["adapted.hidden"] = layers[-1].detach()
        tensors |= {f"adapted.gradient.{parameter}": gradient for parameter, gradient in gradients(model).items()}
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, HERE / f"{name}.safetensors")
        expected[name] = dict(sequences=sequences, loss=loss.item(), adapted_loss=adapted_loss.item(),
                              tokenized=tokenized(name, tokenizer))
        print(name, loss.item(), adapted_loss.item(), sum(case["truncated"] for case in expected[name]["tokenized"]))
    (HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")


main()
