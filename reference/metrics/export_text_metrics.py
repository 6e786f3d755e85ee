"""Fixtures of TER and ROUGE, from sacrebleu 2.6.0 and rouge-score 0.1.2.

    python export_text_metrics.py        writes text_metrics.json beside this script

Needs sacrebleu==2.6.0 and rouge-score==0.1.2. The texts are random words of a small vocabulary, with
blocks moved, and the segments of export.py.
"""

import json
import pathlib
import random

import sacrebleu
from rouge_score import rouge_scorer
from sacrebleu.metrics import TER

from export import SEGMENTS

HERE = pathlib.Path(__file__).parent


def moved(rng):
    """Pairs of long texts that differ by shifted blocks and single words."""
    words = "the a red old sea house train late, (is) it's 10-year 3.5 of and to &amp; \"runs\" 東京 casa".split()
    rows = []
    for length in (3, 8, 14, 20, 30):
        for _ in range(2):
            reference = [rng.choice(words) for _ in range(length)]
            hypothesis = list(reference)
            for _ in range(1 + length // 10):
                start = rng.randrange(length)
                block = hypothesis[start:start + rng.randint(1, 6)]
                del hypothesis[start:start + len(block)]
                at = rng.randrange(len(hypothesis) + 1)
                hypothesis[at:at] = block
            for _ in range(length // 6):
                hypothesis[rng.randrange(len(hypothesis))] = rng.choice(words)
            rows.append((" ".join(hypothesis), " ".join(reference), " ".join(reversed(reference))))
    rows.append(("one two three", " ".join(rng.choice(words) for _ in range(90)), "one"))
    return rows


def main():
    segments = [list(row) for row in SEGMENTS] + [list(row) for row in moved(random.Random(5))]
    hypotheses = [row[0] for row in segments]
    ter = []
    for references in (1, 2):
        streams = [[row[1 + column] for row in segments] for column in range(references)]
        for flags in (0, 1, 2, 4, 10, 12, 14, 15):
            options = {name: bool(flags >> bit & 1) for bit, name in enumerate(("case_sensitive", "normalized", "no_punct", "asian_support"))}
            metric = TER(**options)
            score = metric.corpus_score(hypotheses, streams)
            ter.append({"references": references, **options, "score": score.score, "signature": str(metric.get_signature())})
    sentences = [TER().sentence_score(row[0], [row[1]]).score for row in segments]
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"])
    rouge = [{name: score.fmeasure for name, score in scorer.score(row[1], row[0]).items()} for row in segments]
    value = {"sacrebleu": sacrebleu.__version__, "segments": segments, "ter": ter, "ter_of_segments": sentences, "rouge": rouge}
    (HERE / "text_metrics.json").write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    assert sacrebleu.__version__ == "2.6.0", "the fixtures are those of sacrebleu 2.6.0"
    main()
