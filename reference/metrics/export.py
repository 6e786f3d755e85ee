"""Fixtures of the metrics, from sacrebleu 2.6.0 and sentencepiece.

    python export.py            writes the JSON files and the SentencePiece model beside this script

Needs sacrebleu==2.6.0 and sentencepiece. The sentences are the project's own.
"""

import io
import json
import pathlib
import random

import numpy
import sacrebleu
import sentencepiece
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

HERE = pathlib.Path(__file__).parent

# hypothesis, reference, second reference
SEGMENTS = [
    ("The cat sat on the mat.", "The cat is sitting on the mat.", "A cat sat upon the mat."),
    ("O gato sentou no tapete.", "O gato está sentado no tapete.", "O gato sentou-se no tapete."),
    ("", "Nothing was said.", "No answer."),
    ("Something", "", "Something else"),
    ("   ", "Only spaces stand opposite.", " "),
    ("It costs $1,234.56 (about €1.100,20), i.e. 3.5% more!", "It costs $1,234.56 (about €1,100.20), that is 3.5 % more.", "The price is $1,234.56, 3.5% more."),
    ("In 1998-99, 12-year-olds ran 10,000m in 45:30.", "In 1998–99 12-year-olds ran 10,000 m in 45:30.", "During 1998-1999, twelve-year-olds ran 10 km in 45:30."),
    ("He said: \"Don't — please don't — go...\"", "He said, “Don’t – please don’t – go…”", "\"Please don't go,\" he said."),
    ("&quot;Fish &amp; chips&quot; &lt;b&gt;", "\"Fish & chips\" <b>", "Fish and chips"),
    ("我们明天去北京大学，好吗？", "我们明天要去北京大学，好吗？", "明天我们去北大好吗？"),
    ("東京は、日本の首都です。人口は1,400万人。", "東京は日本の首都であり、人口は約1400万人である。", "日本の首都は東京です。"),
    ("แมวนั่งอยู่บนเสื่อ", "แมวนั่งบนเสื่อ", "แมวตัวหนึ่งนั่งอยู่บนเสื่อ"),
    ("Кот сидит на коврике, а собака — нет.", "Кошка сидит на коврике, а собака нет.", "Кот сидел на коврике."),
    ("القطة تجلس على السجادة، أليس كذلك؟", "تجلس القطة على السجادة، أليس كذلك؟", "القط على السجادة."),
    ("बिल्ली चटाई पर बैठी है।", "बिल्ली चटाई पर बैठी थी।", "एक बिल्ली चटाई पर है।"),
    ("Η γάτα κάθεται στο ΧΑΛΙ της ΟΔΟΣ.", "Η γάτα κάθεται στο χαλί της οδού.", "Μια γάτα στο χαλί."),
    ("x² + y² ≤ 10; ∑ ≠ ∏ → ½ © ® ™ № §5", "x² + y² <= 10; the sum is not the product -> ½ (c) § 5", "x2+y2≤10"),
    ("The the the the the the the.", "The cat is on the mat.", "There is a cat on the mat."),
    ("A", "A", "B"),
    ("well-known re-entry e-mail:me@example.org http://example.org/?a=1&b=2", "well known reentry e-mail: me@example.org http://example.org/?a=1&b=2", "known"),
    ("Price:5.Total:6,Rest:.7", "Price: 5. Total: 6, rest: .7", "5 6 .7"),
    ("It ended in 2004.", "It ended in 2005.", "2004 was the end."),
    ("tab\tand non-breaking space\u3000wide", "tab and non-breaking space wide", "spaces"),
    ("café cafe\u0301 ﬁne Ⅳ ①", "café café fine IV 1", "coffee"),
    ("São Paulo, Brasil: R$ 10,00 à vista; 5ª edição nº 3.", "São Paulo (Brasil): R$ 10,00 à vista; 5.ª edição, n.º 3.", "Em São Paulo custa R$ 10."),
    ("😀 👍🏽 smile 🇧🇷", "😀 👍🏽 smiles 🇧🇷", "🙂"),
    ("(hi) 'quoted' [brackets] {braces} end", "(hi) 'quoted' [bracket] {brace} end.", "hi"),
    ("ação corações NÃO você", "Ação, corações: não! Você?", "acao coracoes nao voce"),
]

# A second system, for the paired tests.
OTHER = [reference if index % 3 == 0 else hypothesis[: len(hypothesis) * 2 // 3]
         for index, (hypothesis, reference, _) in enumerate(SEGMENTS)]


def metrics():
    hypotheses = [segment[0] for segment in SEGMENTS]
    streams = [[segment[column] for segment in SEGMENTS] for column in (1, 2)]
    rows = []
    for references in (streams[:1], streams):
        for tokenizer in ("13a", "intl", "char", "zh", "none"):
            for lowercase in (False, True):
                for method, value in (("exp", None), ("floor", None), ("floor", 0.5), ("add-k", None), ("add-k", 2.0), ("none", None)):
                    metric = BLEU(tokenize=tokenizer, lowercase=lowercase, smooth_method=method, smooth_value=value)
                    score = metric.corpus_score(hypotheses, references)
                    rows.append({"metric": "bleu", "tokenizer": tokenizer, "lowercase": lowercase, "smoothing": method, "value": value, "references": len(references), "score": score.score, "signature": str(metric.get_signature()), "verbose": score._verbose})
        for word_order in (0, 1, 2):
            for lowercase in (False, True):
                metric = CHRF(word_order=word_order, lowercase=lowercase)
                score = metric.corpus_score(hypotheses, references)
                rows.append({"metric": "chrf", "word_order": word_order, "lowercase": lowercase, "references": len(references), "name": score.name, "score": score.score, "signature": str(metric.get_signature())})
    sentences = []
    for hypothesis, *references in SEGMENTS:
        row = {}
        for tokenizer in ("13a", "intl", "char", "zh", "none"):
            row["bleu-" + tokenizer] = [BLEU(tokenize=tokenizer, effective_order=True).sentence_score(hypothesis, references[:count]).score for count in (1, 2)]
            row["tokens-" + tokenizer] = BLEU(tokenize=tokenizer)._preprocess_segment(hypothesis).split()
        for word_order in (0, 2):
            row[f"chrf-{word_order}"] = [CHRF(word_order=word_order).sentence_score(hypothesis, references[:count]).score for count in (1, 2)]
        sentences.append(row)
    return {"sacrebleu": sacrebleu.__version__, "segments": SEGMENTS, "corpus": rows, "sentences": sentences}


def significance():
    hypotheses = [segment[0] for segment in SEGMENTS]
    references = [[segment[1] for segment in SEGMENTS]]
    rows = []
    for name, make in (("bleu", lambda: BLEU()), ("chrf++", lambda: CHRF(word_order=2))):
        metric = make()
        score = metric.corpus_score(hypotheses, references, n_bootstrap=1000)
        row = {"metric": name, "mean": float(score._mean), "half_width": float(score._ci), "signature": str(metric.get_signature())}
        for test, samples in (("bs", 1000), ("ar", 1000)):
            _, scores = PairedTest([("first", hypotheses), ("second", OTHER)], {name: make()}, references, test_type=test, n_samples=samples)()
            column = next(key for key in scores if key != "System")
            row[test] = {"first": scores[column][0].score, "second": scores[column][1].score, "p_value": scores[column][1].p_value}
        rows.append(row)
    generators = []
    for seed in (12345, 7, 2**40 + 3):
        generator = numpy.random.default_rng(seed)
        indices = generator.choice(1000, size=50, replace=True).tolist()
        generator = numpy.random.default_rng(seed)
        bits = generator.integers(2, size=70, dtype=bool).tolist()
        generators.append({"seed": seed, "below_1000": indices, "bits": [int(bit) for bit in bits]})
    return {"second_system": OTHER, "metrics": rows, "generators": generators}


def pieces():
    texts = [text for segment in SEGMENTS for text in segment if text.strip()]
    rng = random.Random(1)
    corpus = [text for text in texts for _ in range(3)] + [" ".join(rng.sample(" ".join(texts).split(), 12)) for _ in range(200)]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, vocab_size=360, model_type="unigram",
        character_coverage=0.98, normalization_rule_name="nmt_nfkc", user_defined_symbols=["São", "<sep>"],
        num_threads=1, minloglevel=2)
    (HERE / "unigram.model").write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    samples = texts + ["", " ", "  leading and  double  spaces ", "ｆｕｌｌｗｉｄｔｈ ＡＢＣ１２３", "unknown: ꙮ߷ and ꙮ", "São São Paulo<sep>são", "zero\u200bwidth soft\u00adhyphen", "line\nbreak\ttab", "ǅ ﷺ ㍿ ㌔", "ก็ที่นี่", "한국어 문장입니다."]
    return [{"text": text, "pieces": processor.encode_as_pieces(text)} for text in samples]


def write(name, value):
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    assert sacrebleu.__version__ == "2.6.0", "the fixtures are those of sacrebleu 2.6.0"
    write("sacrebleu.json", metrics())
    write("significance.json", significance())
    write("unigram_pieces.json", pieces())
