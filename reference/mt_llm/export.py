"""MT-LLM in PyTorch, written from its description: what tiny stacks compute, and how they learn.

usage: python reference/mt_llm/export.py        (writes the directories and files beside this script)

Schmidt et al. 2024 (arXiv 2406.12739): a frozen encoder's states, projected, replace the token embeddings of an LLM that
attends both ways and has LoRA on all linear layers; a text's vector is the mean of the LLM's last states. Stage 1 takes it to
the mean of the LLM's own states of the same text, without adapters, by mean squared error; stage 2 takes it to the pooled
states of an LLM that was tuned for a task.

Written: `llama/`, `gpt2/`, `xlm_roberta/`, `bert/` (tiny_models.py), `LLM_adapter/` (PEFT), `expected.json` (texts, ids, spans
of choices, aligned tokens, losses), and for each stack `STACK.safetensors` (its projection at the start, pooled states,
gradients by name, the least-squares projection).
"""

import json
import math

import torch
import tiny_models
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from texts import ENGLISH, OTHER, PAIR_LABELS, PAIRS, QUESTION_LABELS, QUESTIONS
from tiny_models import GPT2_LINEAR, HERE, LLAMA_LINEAR
from torch.nn.functional import cross_entropy, mse_loss

torch.set_num_threads(1)
STEPS = dict(steps=10, items=6, learning_rate=5e-3, warmup=0.2, weight_decay=0.01)


# Texts

def template(question):
    """One sequence for all choices, and the characters of each choice in it."""
    text = f"{question['passage']} {question['question']}"
    ranges = []
    for number, choice in enumerate(question["choices"], 1):
        text += f"\n{number} "
        choice = choice.strip() or "None"
        ranges.append((len(text), len(text) + len(choice)))
        text += choice
    return text, ranges


def encode(tokenizer, text, language=None):
    """Ids, token types, character offsets and words (None: a special token) of a text or of a pair."""
    if language and hasattr(tokenizer, "src_lang"):
        tokenizer.src_lang = language
    first, second = text if isinstance(text, tuple) else (text, None)
    encoding = tokenizer(first, second, return_offsets_mapping=True)
    types = encoding.get("token_type_ids") or [0] * len(encoding.input_ids)
    return dict(ids=encoding.input_ids, types=types, offsets=encoding.offset_mapping, words=encoding.word_ids())


def trimmed(text, start, end):
    """The range without the spaces around it."""
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def choice_tokens(text, encoding, ranges):
    """The tokens that cover each choice."""
    def covers(offset, start, end):
        left, right = trimmed(text, *offset)
        return left < right and left < end and right > start
    return [[i for i, offset in enumerate(encoding["offsets"]) if encoding["words"][i] is not None and covers(offset, *range_)]
            for range_ in ranges]


def aligned(text, llm, encoder):
    """Pairs of tokens (LLM, encoder) for the words, as the LLM's tokenizer splits them, that are one token on each side."""
    words = {}
    for index, word in enumerate(llm["words"]):
        if word is not None:
            words.setdefault(word, []).append(index)
    single = {}
    for index, offset in enumerate(encoder["offsets"]):
        start, end = trimmed(text, *offset)
        if encoder["words"][index] is not None and start < end:
            single.setdefault((start, end), index)
    pairs = []
    for tokens in words.values():
        if len(tokens) == 1:
            start, end = trimmed(text, *llm["offsets"][tokens[0]])
            if start < end and (start, end) in single:
                pairs.append((tokens[0], single[start, end]))
    return pairs


# Networks

def run_llm(model, embedded, causal):
    """Last hidden states [1, L, C] of embedded tokens."""
    length = embedded.shape[1]
    mask = torch.zeros(1, 1, length, length)
    if causal:
        mask = mask.masked_fill(torch.ones(length, length).triu(1).bool(), torch.finfo(torch.float32).min)
    return model(inputs_embeds=embedded, attention_mask=mask, use_cache=False).last_hidden_state


def run_encoder(model, encoding):
    """Last hidden state and those of all layers, embeddings first; [1, L, C_enc]."""
    ids, types = torch.tensor([encoding["ids"]]), torch.tensor([encoding["types"]])
    more = {} if model.config.model_type == "m2m_100" else {"token_type_ids": types}
    with torch.no_grad():
        output = model(ids, attention_mask=torch.ones_like(ids), output_hidden_states=True, **more)
    assert torch.equal(output.hidden_states[-1], output.last_hidden_state)
    return output.last_hidden_state, list(output.hidden_states)


def pool(states, spans):
    """[1, L, C] and token indexes → [spans, C]."""
    return torch.stack([states[0, span].mean(0) for span in spans])


def adapted(name):
    """The LLM with a PEFT adapter of random weights, written to NAME_adapter/, and its tokenizer."""
    base, tokenizer = tiny_models.load_llm(name)
    model = get_peft_model(base, LoraConfig(
        r=3, lora_alpha=6, lora_dropout=0.0, target_modules=GPT2_LINEAR if name == "gpt2" else LLAMA_LINEAR,
        fan_in_fan_out=name == "gpt2"))
    torch.manual_seed(7)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, 0.0, 0.1)
    folder = HERE / f"{name}_adapter"
    model.peft_config["default"].base_model_name_or_path = f"../{name}"
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    written = json.loads(path.read_text())
    written["target_modules"].sort()    # PEFT writes a set, in another order each time
    path.write_text(json.dumps(written, indent=2) + "\n")
    return model, tokenizer


class Stack:
    def __init__(self, encoder, llm, mixes_layers=False):
        self.encoder, self.encoder_tokenizer = tiny_models.load_encoder(encoder)
        self.llm, self.llm_tokenizer = adapted(llm)
        self.causal = llm == "gpt2"
        torch.manual_seed(11)
        self.projection = torch.nn.Linear(self.encoder.config.hidden_size, self.llm.config.hidden_size)
        layers = self.encoder.config.num_hidden_layers
        self.mix = torch.nn.Parameter(torch.randn(layers + 1) * 0.5) if mixes_layers else None

    def source(self, text, language="eng_Latn"):
        return encode(self.encoder_tokenizer, text, language)

    def states(self, encoding):
        last, layers = run_encoder(self.encoder, encoding)
        if self.mix is not None:
            last = sum(share * state for share, state in zip(self.mix.softmax(0), layers))
        return run_llm(self.llm, self.projection(last), self.causal)

    def student(self, text, language="eng_Latn"):
        encoding = self.source(text, language)
        return pool(self.states(encoding), [range(len(encoding["ids"]))])

    def teacher_states(self, text):
        ids = torch.tensor([encode(self.llm_tokenizer, text)["ids"]])
        with torch.no_grad(), self.llm.disable_adapter():
            return run_llm(self.llm, self.llm.get_input_embeddings()(ids), self.causal)

    def teacher(self, text):
        return self.teacher_states(text).mean(1)

    def choices(self, question, language="eng_Latn"):
        text, ranges = template(question)
        encoding = self.source(text, language)
        return pool(self.states(encoding), choice_tokens(text, encoding, ranges))

    def parameters(self):
        named = {name.replace(".default.", "."): parameter
                 for name, parameter in self.llm.named_parameters() if parameter.requires_grad}
        named |= {f"projection.{name}": parameter for name, parameter in self.projection.named_parameters()}
        return named if self.mix is None else named | {"mix": self.mix}

    def pooled_loss(self, texts):
        student = torch.cat([self.student(text) for text in texts])
        return mse_loss(student, torch.cat([self.teacher(text) for text in texts]))

    def aligned_loss(self, texts):
        """0.5 x that of pooled states + 0.5 x that of the states of aligned tokens, of all texts together."""
        students, teachers = [], []
        for text in texts:
            source, target = self.source(text), encode(self.llm_tokenizer, text)
            pairs = aligned(text, target, source)
            students.append(self.states(source)[0, [pair[1] for pair in pairs]])
            teachers.append(self.teacher_states(text)[0, [pair[0] for pair in pairs]])
        return 0.5 * self.pooled_loss(texts) + 0.5 * mse_loss(torch.cat(students), torch.cat(teachers))


# What is written

def gradients(stack, loss, prefix, only=None):
    """The loss's gradients by name."""
    for parameter in stack.parameters().values():
        parameter.grad = None
    loss.backward()
    return {f"{prefix}.gradient.{name}": parameter.grad.clone()
            for name, parameter in stack.parameters().items() if only is None or only in name}


def learning_rate(step):
    warmup = math.ceil(STEPS["warmup"] * STEPS["steps"])
    if step < warmup:
        return STEPS["learning_rate"] * (step + 1) / warmup
    return STEPS["learning_rate"] * (1 - (step - warmup) / (STEPS["steps"] - warmup - 1))


def ten_steps(trained, loss_of):
    """Losses of ten steps of AdamW on these parameters; `loss_of` is the loss of a step, by its number."""
    trained = list(trained)
    optimizer = torch.optim.AdamW([
        {"params": [p for p in trained if p.dim() >= 2], "weight_decay": STEPS["weight_decay"]},
        {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0}])
    losses = []
    for step in range(STEPS["steps"]):
        loss = loss_of(step)
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.step()
        losses.append(loss.item())
    return losses


def adaptation_steps(stack):
    """Stage 1; every step reads the next `items` sentences, in a circle."""
    def loss(step):
        start = step * STEPS["items"]
        return stack.pooled_loss([ENGLISH[i % len(ENGLISH)] for i in range(start, start + STEPS["items"])])
    return ten_steps(stack.parameters().values(), loss)


def adapters(stack):
    return [parameter for name, parameter in stack.parameters().items() if "lora" in name]


def least_squares(stack):
    """W [C, C_enc] such that encoder states x W^T are near the LLM's input embeddings of the same words; its FVU."""
    x, y = [], []
    for text in ENGLISH:
        source, target = stack.source(text), encode(stack.llm_tokenizer, text)
        states = run_encoder(stack.encoder, source)[0][0]
        for token, source_token in aligned(text, target, source):
            x.append(states[source_token].double())
            y.append(stack.llm.get_input_embeddings().weight[target["ids"][token]].detach().double())
    x, y = torch.stack(x), torch.stack(y)
    transposed = torch.linalg.pinv(x) @ y
    unexplained = (x @ transposed - y).square().mean() / (y - y.mean(0)).square().mean()
    singular = torch.linalg.svdvals(x)
    print("  words", len(x), "fvu", unexplained.item(), "condition", (singular[0] / singular[-1]).item())
    tensors = {"least_squares": transposed.T.float(), "least_squares.x": x.float(), "least_squares.y": y.float()}
    return tensors, dict(words=len(x), fvu=unexplained.item())


def classification(stack):
    """The LLM alone, with its adapter and a head: logits and cross-entropy of pairs and of choices."""
    torch.manual_seed(13)
    head = torch.randn(3, stack.llm.config.hidden_size, requires_grad=True)
    choice_head = torch.randn(1, stack.llm.config.hidden_size, requires_grad=True)
    run = lambda encoding: run_llm(
        stack.llm, stack.llm.get_input_embeddings()(torch.tensor([encoding["ids"]])), stack.causal)
    pooled_pairs = lambda: torch.cat([run(encode(stack.llm_tokenizer, pair)).mean(1) for pair in PAIRS])
    pooled = pooled_pairs()
    logits = pooled @ head.T
    loss = cross_entropy(logits, torch.tensor(PAIR_LABELS))
    tensors = {"classification.head": head.detach().clone(), "classification.choice_head": choice_head.detach().clone(),
               "classification.pooled": pooled, "classification.logits": logits}
    tensors |= gradients(stack, loss, "classification", "lora")
    tensors["classification.gradient.head"] = head.grad.clone()
    states = []
    for question in QUESTIONS:
        text, ranges = template(question)
        encoding = encode(stack.llm_tokenizer, text)
        states.append(pool(run(encoding), choice_tokens(text, encoding, ranges)))
    choice_logits = torch.cat([state @ choice_head.T for state in states]).view(len(QUESTIONS), -1)
    choice_loss = cross_entropy(choice_logits, torch.tensor(QUESTION_LABELS))
    tensors |= {"choices.pooled": torch.cat(states), "choices.logits": choice_logits}
    tensors |= gradients(stack, choice_loss, "choices", "lora")
    tensors["choices.gradient.choice_head"] = choice_head.grad.clone()
    steps = ten_steps([*adapters(stack), head], lambda _: cross_entropy(pooled_pairs() @ head.T, torch.tensor(PAIR_LABELS)))
    return tensors, dict(loss=loss.item(), choice_loss=choice_loss.item(), labels=PAIR_LABELS, choice_labels=QUESTION_LABELS,
                         ten_steps=steps)


def stage_2(stack):
    """Mean squared errors to cached states; the adapter is trained, the projection is not."""
    torch.manual_seed(17)
    width = stack.llm.config.hidden_size
    targets, choice_targets = torch.randn(len(PAIRS), width), torch.randn(4 * len(QUESTIONS), width)
    pair_loss = lambda: mse_loss(torch.cat([stack.student(pair) for pair in PAIRS]), targets)
    loss = pair_loss()
    tensors = {"stage_2.targets": targets} | gradients(stack, loss, "stage_2", "lora")
    choices = torch.cat([stack.choices(question) for question in QUESTIONS])
    choice_loss = mse_loss(choices, choice_targets)
    tensors |= {"stage_2_choices.targets": choice_targets, "stage_2_choices.student": choices}
    tensors |= gradients(stack, choice_loss, "stage_2_choices", "lora")
    steps = ten_steps(adapters(stack), lambda _: pair_loss())
    return tensors, dict(loss=loss.item(), choice_loss=choice_loss.item(), ten_steps=steps)


def export(encoder, llm, mixes_layers=False):
    name = f"{encoder}_{llm}" + ("_mix" if mixes_layers else "")
    print(name)
    stack = Stack(encoder, llm, mixes_layers)
    tensors = {name: parameter.detach().clone() for name, parameter in stack.parameters().items() if "lora" not in name}
    texts = [*ENGLISH, *PAIRS]
    tensors["teacher"] = torch.cat([stack.teacher(text) for text in texts])
    tensors["student"] = torch.cat([stack.student(text) for text in texts])
    tensors["student_other"] = torch.cat([stack.student(text, language) for language, text in OTHER])
    last = [run_encoder(stack.encoder, stack.source(text))[0] for text in texts]
    tensors["encoder"] = torch.cat([state.mean(1) for state in last])
    for pooling, token in (("cls", 0), ("eos", -1)):
        tensors[f"student_{pooling}"] = torch.stack([stack.states(stack.source(text))[0, token] for text in texts])
    loss = stack.pooled_loss(ENGLISH)
    tensors |= gradients(stack, loss, "stage_1")
    expected = dict(stage_1=dict(loss=loss.item()))
    if not mixes_layers:
        loss = stack.aligned_loss(ENGLISH)
        tensors |= gradients(stack, loss, "aligned")
        solved, found = least_squares(stack)
        tensors |= solved
        expected |= dict(aligned=dict(loss=loss.item()), least_squares=found, alignment=[
            aligned(text, encode(stack.llm_tokenizer, text), stack.source(text)) for text in ENGLISH])
    if name == "nllb_llama":
        # Both learn, so that each gets a stack of its own.
        for part, computed in (("stage_2", stage_2), ("classification", classification)):
            more, expected[part] = computed(Stack(encoder, llm))
            tensors |= more
    expected["ten_steps"] = adaptation_steps(stack)
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, HERE / f"{name}.safetensors")
    print("  losses", expected["stage_1"]["loss"], expected["ten_steps"])
    return name, expected


def tokens(tokenizer):
    """Ids of all texts; for questions, also the tokens of each choice."""
    strip = lambda encoding: dict(ids=encoding["ids"], types=encoding["types"])
    questions = []
    for question in QUESTIONS:
        text, ranges = template(question)
        encoding = encode(tokenizer, text, "eng_Latn")
        questions.append(strip(encoding) | dict(spans=choice_tokens(text, encoding, ranges)))
    return dict(english=[strip(encode(tokenizer, text, "eng_Latn")) for text in ENGLISH],
                other=[strip(encode(tokenizer, text, language)) for language, text in OTHER],
                pairs=[strip(encode(tokenizer, pair, "eng_Latn")) for pair in PAIRS], questions=questions)


def check_attention():
    """The mask of zeros must let the first token see the last one, and a causal one must not."""
    model, _ = tiny_models.load_llm("llama")
    torch.manual_seed(0)
    embedded = torch.randn(1, 5, model.config.hidden_size)
    changed = embedded.clone()
    changed[0, -1] += 1
    with torch.no_grad():
        both, causal = ([run_llm(model, x, way)[0, 0] for x in (embedded, changed)] for way in (False, True))
        plain = model(inputs_embeds=embedded).last_hidden_state
        assert (both[0] - both[1]).abs().max() > 1e-3
        assert torch.equal(causal[0], causal[1])
        assert torch.allclose(plain, run_llm(model, embedded, True), atol=1e-6)


def main():
    plain = ENGLISH + [text for _, text in OTHER] + [" ".join(pair) for pair in PAIRS] + [template(q)[0] for q in QUESTIONS]
    tiny_models.write(plain)
    check_attention()
    expected = dict(
        texts=dict(english=ENGLISH, other=OTHER, pairs=PAIRS, questions=QUESTIONS), steps=STEPS,
        tokens={name: tokens(tiny_models.load_encoder(name)[1]) for name in tiny_models.ENCODERS}
        | {name: tokens(tiny_models.load_llm(name)[1]) for name in tiny_models.LLMS})
    stacks = [("nllb", "llama"), ("xlm_roberta", "llama"), ("bert", "llama"), ("nllb", "gpt2"), ("nllb", "llama", True)]
    expected["stacks"] = dict(export(*stack) for stack in stacks)
    (HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
