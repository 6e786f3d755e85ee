"""What the fixtures read: plain sentences, pairs, and questions with four choices."""

ENGLISH = [
    "The library opens at nine and closes when the last reader has gone home.",
    "A kind word costs nothing, yet many people keep theirs in a locked box.",
    "Rivers carry sand to the sea; the sea, in no hurry, builds beaches from it.",
    "Three friends walked to the market and bought bread, apples and 12 eggs.",
    "The sea carry sand to the library.",
    "Many people walked home from the market.",
    "The last reader bought a locked box and bread.",
    "Friends keep no eggs in the library, and the market opens at nine.",
    "When the sea closes, people in no hurry keep sand in a box.",
    "A reader has nothing, yet the library costs nothing.",
    "Rivers and friends walked from the sea to the market at nine.",
    "The box has a word in it; it opens when many friends walked home.",
]
OTHER = [
    ("por_Latn", "A biblioteca abre às nove e fecha quando o último leitor vai para casa."),
    ("deu_Latn", "Drei Freunde gingen zum Markt und kauften Brot, Äpfel und Eier."),
]
PAIRS = [
    ("The library opens at nine.", "The library closes at nine."),
    ("Three friends walked to the market.", "People walked to the sea in no hurry."),
    ("A reader bought bread and eggs.", "A reader has bread."),
]
PAIR_LABELS = [2, 1, 0]
QUESTIONS = [
    dict(passage="Three friends walked to the market and bought bread, apples and 12 eggs.", question="What has the market?",
         choices=["sand", "bread and eggs", "a locked box", "nothing"]),
    # Choices that are the same, parts of each other or of the passage, padded with spaces, or empty.
    dict(passage="The library opens at nine and closes when 1 reader has gone home.", question="When it opens?",
         choices=["  at nine ", "nine", "", "at nine"]),
]
QUESTION_LABELS = [1, 3]
