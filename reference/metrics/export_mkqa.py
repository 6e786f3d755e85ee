"""Fixtures of MKQA's F1 and exact match, from the official script.

    python export_mkqa.py ML-MKQA        writes mkqa.json beside this script

ML-MKQA is a checkout of https://github.com/apple/ml-mkqa (commit 94ed242); its script needs numpy and matplotlib.
"""

import json
import pathlib
import sys

sys.path.insert(0, sys.argv[1])
from mkqa_eval_util import get_text_metrics

# By the script's code of a language: rows of a prediction and its correct answers.
ROWS = {
    "ar": [("الكتاب", ["كتاب"]), ("كتاب البحر", ["البحر", "سماء"]), ("٤٢", ["42"])],
    "da": [("et hus", ["hus"]), ("Et stort Hus!", ["hus"]), ("enhed", ["hed"])],
    "de": [("Eines der Häuser", ["häuser"]), ("das Rote Haus", ["rotes Haus", "Haus"]), ("Dieter", ["ter"]), ("STRASSE", ["straße"])],
    "en": [("The Beatles.", ["beatles"]), ("an apple a day", ["apple day", "the day"]), ("theatre", ["atre"]), ("", ["nine"]), ("the", [""]),
           ("July 4, 1776", ["1776-07-04", "4 July 1776"]), ("can't", ["cant"]), ("U.S.A.", ["usa"]), ("yes", ["yes"]), ("a  b\tb c", ["b b", "b"])],
    "es": [("El perro", ["perro"]), ("Los perros de las casas", ["perros casas"]), ("¿Perro?", ["perro"])],
    "fi": [("Se on yksi", ["on"]), ("yksin", ["n"])],
    "fr": [("l'été", ["été"]), ("Les étés du sud", ["étés sud", "sud"]), ("des", [""]), ("université", ["iversité"]), ("delà", ["là"])],
    "he": [("הספר הזה", ["ספר"]), ("תל אביב", ["תל־אביב"])],
    "hu": [("Az alma", ["alma"]), ("egy kis ház", ["ház"]), ("azalea", ["alea"])],
    "it": [("L'isola dell'amore", ["isola amore"]), ("gli uomini", ["uomini"]), ("il", [""]), ("ilaria", ["aria"])],
    "ja": [("東京 都", ["東京都"]), ("東京", ["大阪", "東京都"]), ("「東京」", ["東京"]), ("ABC社", ["abc社"])],
    "km": [("ភ្នំពេញ", ["ភ្នំ ពេញ", "ភ្នំ"])],
    "ko": [("서울특별시", ["서울 특별시"]), ("서울 시", ["서울"])],
    "ms": [("Kuala Lumpur", ["kuala lumpur, malaysia"])],
    "nl": [("Het huis", ["huis"]), ("des konings der Nederlanden", ["konings Nederlanden"]), ("dese", ["se"])],
    "no": [("Ei lita jente", ["lita jente"]), ("et", ["en"])],
    "pl": [("„Lalka”", ["Lalka"]), ("Łódź", ["łódź"])],
    "pt": [("O Brasil", ["brasil"]), ("Uns rios e umas casas", ["rios e casas"]), ("a ação", ["ação"]), ("São Paulo", ["sao paulo"])],
    "ru": [("Москва-река", ["москва река"]), ("Лев Толстой", ["Толстой, Лев"])],
    "sv": [("nio nio nio", ["tio", "nio nio"]), ("Ett hus", ["hus"])],
    "th": [("กรุงเทพ มหานคร", ["กรุงเทพมหานคร"]), ("กรุงเทพ", ["เชียงใหม่", "กรุงเทพฯ"])],
    "tr": [("İstanbul", ["istanbul"]), ("IĞDIR", ["ığdır"])],
    "vi": [("Cái nhà của tôi", ["nhà tôi"]), ("những người là", ["người"])],
    "zh_cn": [("北京市", ["北京"]), ("2008年8月8日", ["2008年"])],
    "zh_hk": [("香港。", ["香港"])],
    "zh_tw": [("臺北 101", ["臺北101"]), ("", [""])],
}

fixture = []
for language, rows in ROWS.items():
    scores = get_text_metrics([row[0] for row in rows], [row[1] for row in rows], language)
    for (prediction, answers), f1, exact in zip(rows, scores["f1"], scores["exact_match"], strict=True):
        fixture.append({"language": language, "prediction": prediction, "answers": answers, "f1": f1, "exact_match": exact})
path = pathlib.Path(__file__).parent / "mkqa.json"
path.write_text("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in fixture) + "\n]\n")
