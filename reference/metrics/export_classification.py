"""Fixtures of accuracy and macro-F1, from scikit-learn 1.9.

    python export_classification.py        writes classification.json beside this script

Random labels with skewed frequencies: predictions that miss classes, predict classes that never
occur, and are all alike.
"""

import json
import pathlib
import random

import sklearn
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

HERE = pathlib.Path(__file__).parent
LABELS = ["entailment", "neutral", "contradiction", "2", "ნეიტრალური"]


def case(generator, rows, classes, skill):
    weights = [1.0 / (1 + index) for index in range(classes)]
    gold = generator.choices(LABELS[:classes], weights, k=rows)
    said = [g if generator.random() < skill else generator.choice(LABELS[:classes]) for g in gold]
    return gold, said


def main():
    generator = random.Random(20240618)
    cases = [case(generator, rows, classes, skill)
             for rows, classes, skill in [(1, 2, 0.0), (7, 3, 0.3), (50, 3, 0.6), (333, 4, 0.45), (1000, 5, 0.8)]]
    cases.append((["neutral"] * 5 + ["entailment"] * 3, ["neutral"] * 8))
    cases.append((["entailment", "neutral", "entailment"], ["2", "neutral", "contradiction"]))
    cases.append((["2", "2"], ["neutral", "neutral"]))
    fixtures = []
    for gold, said in cases:
        labels = sorted(set(gold) | set(said))
        fixtures.append({
            "references": gold,
            "hypotheses": said,
            "accuracy": accuracy_score(gold, said),
            "macro_f1": f1_score(gold, said, average="macro"),
            "labels": labels,
            "confusion": confusion_matrix(gold, said, labels=labels).tolist(),
        })
    content = {"scikit-learn": sklearn.__version__, "cases": fixtures}
    (HERE / "classification.json").write_text(json.dumps(content, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
