"""A tiny random M2M-100 model with an NLLB tokenizer, and what Transformers computes with it.

usage: python reference/m2m100/export.py        (writes the directories beside this script)

`tiny/` and `legacy/` are models as Transformers saves them, single and sharded, `legacy/` with the
tokenizer's `legacy_behaviour`. `expected.json` holds the ids of texts and the results of beam search under
many options; `expected.safetensors` hidden states and logits. The vocabulary is trained on the
sentences below.
"""

import base64
import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2
from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

torch.set_num_threads(1)
here = Path(__file__).parent
LANGUAGES = ["eng_Latn", "por_Latn", "tha_Thai", "zho_Hans", "arb_Arab", "swh_Latn", "khm_Khmr", "deu_Latn"]
SENTENCES = [
    "The library opens at nine and closes when the last reader has gone home.",
    "A kind word costs nothing, yet many people keep theirs in a locked box.",
    "Rivers carry sand to the sea; the sea, in no hurry, builds beaches from it.",
    "Three friends walked to the market and bought bread, apples and 12 eggs.",
    "A biblioteca abre às nove e fecha quando o último leitor vai para casa.",
    "Os rios levam areia para o mar, e o mar constrói praias sem pressa.",
    "Três amigos foram ao mercado e compraram pão, maçãs e doze ovos.",
    "Die Bibliothek öffnet um neun Uhr und schließt, wenn der letzte Leser gegangen ist.",
    "Drei Freunde gingen zum Markt und kauften Brot, Äpfel und Eier.",
    "Marafiki watatu walikwenda sokoni wakanunua mkate na mayai kumi na mawili.",
    "Mito hubeba mchanga hadi baharini.",
    "ห้องสมุดเปิดเวลาเก้าโมงเช้า", "เพื่อนสามคนเดินไปตลาด",
    "图书馆九点开门。", "三个朋友去市场买面包和鸡蛋。",
    "تفتح المكتبة في التاسعة صباحا.", "ذهب ثلاثة أصدقاء إلى السوق.",
    "បណ្ណាល័យបើកម៉ោងប្រាំបួន។",
]
TEXTS = SENTENCES[::3] + [
    "", " ", "  two  spaces and a\ttab ", "Ünïcödé ① ﬁ ½ \u200b zero width", "emoji 🙂 and unknown ☃ signs", "New\nline",
    "A literal </s> and por_Latn in the text", "naïve façade", "ＦＵＬＬ width １２３", "e\u0301 combining",
]


# A few rules of the normalisation NFKC, which NLLB's tokenizer has in full (source TAB result, code points).
RULES = {"\ufb01": "fi", "\u2460": "1", "\u00bd": "1\u20442", "e\u0301": "\u00e9", "\t": " ", "\n": " ", "\u200b": " "}
RULES |= {chr(code): chr(code - 0xfee0) for code in range(0xff01, 0xff5f)}


def tokenizer(legacy):
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.tsv"
        points = lambda text: " ".join(f"{ord(character):X}" for character in text)
        rules.write_text("".join(f"{points(source)}\t{points(target)}\n" for source, target in RULES.items()))
        text = Path(folder) / "text"
        text.write_text("\n".join(SENTENCES))
        sentencepiece.SentencePieceTrainer.train(
            input=str(text), model_prefix=f"{folder}/spm", vocab_size=400, model_type="bpe", character_coverage=1.0,
            normalization_rule_tsv=str(rules), minloglevel=2)
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString(Path(f"{folder}/spm.model").read_bytes())
    pieces = ["<s>", "<pad>", "</s>", "<unk>"] + [piece.piece for piece in model.pieces if piece.type == 1]
    vocabulary = {piece: id for id, piece in enumerate(pieces)}
    # SentencePiece stores pieces in the order of their merges: each is made of the two that were merged.
    merges = [
        (piece[:cut], piece[cut:])
        for piece in pieces[4:]
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    charsmap = base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()
    return NllbTokenizer(vocab=vocabulary, merges=merges, additional_special_tokens=LANGUAGES,
                         _spm_precompiled_charsmap=model.normalizer_spec.precompiled_charsmap or charsmap,
                         legacy_behaviour=legacy)


def network(vocabulary, layers):
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=vocabulary, d_model=24, encoder_layers=layers, decoder_layers=layers, encoder_attention_heads=4,
        decoder_attention_heads=2, encoder_ffn_dim=40, decoder_ffn_dim=32, max_position_embeddings=64,
        activation_function="relu", scale_embedding=True, bos_token_id=0, pad_token_id=1, eos_token_id=2,
        decoder_start_token_id=2)
    model = M2M100ForConditionalGeneration(config).eval()
    for name, parameter in model.named_parameters():
        centre = 1.0 if "norm" in name and "weight" in name else 0.0
        torch.nn.init.normal_(parameter, centre, 0.1 if "shared" in name else 0.4)
    with torch.no_grad():
        # Logits that differ, and an end token that is often among the probable ones: hypotheses
        # of many lengths.
        model.model.decoder.layer_norm.weight *= 2
        model.model.shared.weight[2] *= 1.5
    return model


# Options of `generate`; each is tried on inputs of its own, in batches of several sizes.
OPTIONS = [
    dict(num_beams=4),
    dict(num_beams=4, length_penalty=0.0),
    dict(num_beams=4, length_penalty=2.0, early_stopping="never"),
    dict(num_beams=4, length_penalty=-0.5, early_stopping=True),
    dict(num_beams=4, length_penalty=0.6, early_stopping=True, no_repeat_ngram_size=2),
    dict(num_beams=5, no_repeat_ngram_size=3, repetition_penalty=1.3),
    dict(num_beams=2, repetition_penalty=0.7, length_penalty=1.4),
    dict(num_beams=3, early_stopping="never", length_penalty=-1.0, min_new_tokens=5),
    dict(num_beams=1),
    dict(num_beams=1, no_repeat_ngram_size=2, repetition_penalty=1.2),
    dict(num_beams=4, forced_eos_token_id=2, max_new_tokens=7),
    dict(num_beams=6, max_new_tokens=3),
    dict(num_beams=4, max_new_tokens=1),
    dict(num_beams=4, no_repeat_ngram_size=1, max_new_tokens=24),
]


def searches(model, tokens):
    generator = torch.Generator().manual_seed(1)
    draw = lambda low, high: int(torch.randint(low, high, (1,), generator=generator))
    cases = []
    for options in OPTIONS:
        for size in (1, 2, 5, 10):
            target = tokens.convert_tokens_to_ids(LANGUAGES[draw(0, len(LANGUAGES))])
            sources = []
            for _ in range(size):
                language = tokens.convert_tokens_to_ids(LANGUAGES[draw(0, len(LANGUAGES))])
                pieces = torch.randint(4, len(tokens), (draw(1, 14),), generator=generator).tolist()
                sources.append([language, *pieces, 2])
            longest = max(map(len, sources))
            ids = torch.tensor([source + [1] * (longest - len(source)) for source in sources])
            settings = dict(max_new_tokens=20) | options
            with torch.no_grad():
                result = model.generate(
                    ids, attention_mask=(ids != 1).long(), forced_bos_token_id=target, do_sample=False,
                    return_dict_in_generate=True, output_scores=True, **settings)
            outputs = []
            for row in result.sequences.tolist():
                row = row[1:]  # the start token
                while row and row[-1] == 1:
                    row.pop()
                outputs.append(row)
            scores = result.sequences_scores.tolist() if settings["num_beams"] > 1 else None
            cases.append(dict(options=settings, target=target, sources=sources, outputs=outputs, scores=scores))
    return cases


def main():
    expected = {}
    for name, legacy in (("tiny", False), ("legacy", True)):
        folder = here / name
        shutil.rmtree(folder, ignore_errors=True)
        tokens = tokenizer(legacy)
        tokens.save_pretrained(folder)
        for file in ("sentencepiece.bpe.model", "special_tokens_map.json", "added_tokens.json"):
            (folder / file).unlink(missing_ok=True)
        model = network(len(tokens), 1 if legacy else 2)
        if legacy:
            model = model.to(torch.bfloat16)
        model.save_pretrained(folder, max_shard_size="40KB" if legacy else "1GB")
        (folder / "generation_config.json").unlink(missing_ok=True)
        encoded = {}
        for language in LANGUAGES[:3]:
            tokens.src_lang = language
            encoded[language] = [tokens(text).input_ids for text in TEXTS]
        expected[name] = dict(languages=LANGUAGES, texts=TEXTS, ids=encoded)
    tokens = NllbTokenizer.from_pretrained(here / "tiny")
    model = M2M100ForConditionalGeneration.from_pretrained(here / "tiny", dtype=torch.float32).eval()
    expected["decoded"] = [
        dict(ids=ids, text=tokens.decode(ids, skip_special_tokens=True))
        for ids in ([5, 2], *(tokens("", text_target=text).labels for text in SENTENCES[:6]))
    ]
    expected["searches"] = searches(model, tokens)

    sources = [[len(tokens) - 9, 9, 8, 7, 60, 2], [len(tokens) - 8, 300, 17, 2]]
    targets = [[2, len(tokens) - 7, 44, 45, 46], [2, len(tokens) - 6, 99]]
    tensors = {}
    encoder, hidden, logits = [], [], []
    for source, target in zip(sources, targets):
        with torch.no_grad():
            output = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([target]),
                           output_hidden_states=True)
        encoder.append(output.encoder_last_hidden_state[0])
        hidden.append(output.decoder_hidden_states[-1][0])
        logits.append(output.logits[0])
    tensors = dict(encoder=torch.cat(encoder), decoder=torch.cat(hidden), logits=torch.cat(logits))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, here / "expected.safetensors")
    expected["forward"] = dict(sources=sources, targets=targets)
    (here / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, separators=(",", ":")) + "\n")
    lengths = [len(output) for case in expected["searches"] for output in case["outputs"]]
    print(len(lengths), "sentences; lengths", sorted(Counter(lengths).items()))


main()
