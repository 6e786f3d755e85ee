//! Every rule rejects its fault, and good translations pass.

use corpus::language::Language;
use corpus::record::TextPair;

use crate::{PORTUGUESE, filter, reason, reason_to, row};

#[test]
fn good_translations_pass() {
    for (source, translation) in [
        ("How are you today?", "Como você está hoje?"),
        ("Paris", "Paris"),
        ("1969", "1969"),
        ("Albert Einstein", "Albert Einstein"),
        (
            "It costs $20,000.50 in 1969.",
            "Custa US$ 20.000,50 em 1969.",
        ),
        ("Yes", "É verdade, sim"),
        ("```\nlet the = 1;\n```", "```\nlet the = 1;\n```"),
        (
            "I have two cats and 3 dogs.",
            "Tenho dois gatos e três cachorros.",
        ),
        ("Use `len(x)` here, {name}.", "Use `len(x)` aqui, {name}."),
        (
            "In Russian, Moscow is written Москва.",
            "Em russo, Moscou escreve-se Москва.",
        ),
        ("", ""),
    ] {
        assert_eq!(reason(source, translation), None, "{translation}");
    }
}

#[test]
fn each_fault_has_its_reason() {
    let english = "This sentence was left as it is, word by word.";
    let long = format!("Isto é uma palavra {}.", "a".repeat(50));
    let loops = "muito bom ".repeat(30);
    for (source, translation, expected) in [
        (english, english, "source_copied"),
        (
            english,
            "This sentence was left as it is, word by word!",
            "source_copied",
        ),
        (
            "Write to a@b.org today please.",
            "Escreva hoje por favor.",
            "protected_lost",
        ),
        (
            "In Russian, Moscow is written Москва.",
            "Em russo, Moscou é escrita assim.",
            "lost_letters",
        ),
        (
            "What does 你好 mean in English?",
            "O que significa isto em inglês?",
            "lost_letters",
        ),
        (
            "Fish and chips are good.",
            "Peixe &amp; batatas são bons.",
            "markup_residue",
        ),
        (
            "Fish and chips are good.",
            "Peixe <unk> batatas são bons.",
            "markup_residue",
        ),
        (
            "How are you doing today?",
            "Как ваши дела сегодня?",
            "wrong_script",
        ),
        (
            "One two three four five six seven eight.",
            "Um.",
            "length_ratio",
        ),
        (
            "One. Two is here. Three is here.",
            "Um, dois, aqui três estão todos",
            "sentence_count",
        ),
        ("This is a word.", &long, "long_word"),
        (
            "Once a farmer had a horse that ran away, and all his neighbours came to say how sorry they were; he answered that one never knows, and went back to his field. Next day the horse came home and brought six wild mares along, so they came again to praise his luck.",
            &loops,
            "repetition",
        ),
        (
            "It was in 1969 and cost 250 dollars.",
            "Foi nos anos sessenta e custou muito.",
            "numbers_lost",
        ),
        (
            "Heute bin ich in the Stadt.",
            "Hoje estou na cidade.",
            "wrong_source_language",
        ),
        (
            "How are you today, my friend?",
            "Wie geht es dir, ich bin da?",
            "wrong_language",
        ),
        (
            "How are you today, my friend?",
            "Como você está hoje, amigo 0.5",
            "low_quality",
        ),
    ] {
        assert_eq!(reason(source, translation), Some(expected), "{translation}");
    }
}

#[test]
fn an_untranslated_sentence_in_a_long_text_is_seen() {
    let left =
        "Nobody ever translated the second sentence of this text, which is long enough to tell.";
    let source = format!("Good morning to all of you. {left} Goodbye and thanks.");
    let translation = format!("Bom dia a todos vocês. {left} Adeus e obrigado.");
    assert_eq!(reason(&source, &translation), Some("wrong_language"));
}

#[test]
fn an_identifier_is_not_asked_about_languages_it_does_not_know() {
    let galician = Language::with_code("glg_Latn");
    let source = "How are you today, my friend?";
    assert_eq!(
        reason_to(source, "Como estás hoxe, ich meu amigo?", galician),
        None
    );
    assert_eq!(
        reason_to(source, "Where is the house of my friend?", galician),
        Some("wrong_language")
    );
}

#[test]
fn fields_are_judged_apart_and_the_row_stays() {
    let mut row = row(
        ("Good day to you.", "Bom dia para você."),
        ("All is well here.", "Tudo bem aqui 0.1"),
        PORTUGUESE,
    );
    row.generated = Some(TextPair {
        source: "It is so, my friend.".into(),
        translation: Some("So ist es, ich weiß es.".into()),
    });
    let outcome = filter(&row);
    let output = &outcome.outputs[0];
    assert!(output.question.translation.is_some());
    assert!(output.answer.translation.is_none());
    assert_eq!(output.answer.source, "All is well here.");
    assert!(
        output
            .generated
            .as_ref()
            .is_some_and(|text| text.translation.is_none())
    );
    let fields: Vec<_> = outcome
        .rejections
        .iter()
        .map(|r| (r.field, r.reason))
        .collect();
    assert_eq!(
        fields,
        [
            ("answer.translation", "low_quality"),
            ("generated.translation", "wrong_language")
        ]
    );
}

#[test]
fn a_loop_in_one_sentence_of_a_long_text_is_seen() {
    let source: String = (1..30)
        .map(|n| format!("Sentence number {n} says something new. "))
        .collect();
    let good: String = (1..30)
        .map(|n| format!("A frase número {n} diz algo de novo. "))
        .collect();
    assert_eq!(reason(&source, &good), None);
    // Each round differs a little, so that no unit is said twice without a break.
    let round = |n: usize| {
        format!(
            "e o gato {} viu que o gato viu o gato e ",
            ["preto", "branco", "velho"][n % 3]
        )
    };
    let loops = format!("{good} {}.", (0..9).map(round).collect::<String>());
    assert_eq!(
        reason(&format!("{source} And the cat saw the cat."), &loops),
        Some("repetition")
    );
}

/// Control characters, one endless line, marks and no text at all: a copy is rejected if it has
/// words, nothing panics, and what is rejected is missing from the row.
#[test]
fn hostile_text_is_judged() {
    const SIZE: usize = 100_000;
    for (text, has_words) in [
        ("a".repeat(10 * SIZE), false),
        (
            "the quick brown fox jumps over the lazy dog ".repeat(SIZE / 44),
            true,
        ),
        ("no ".repeat(SIZE / 3), true),
        ("\u{1}\u{7f}x\u{202e} ".repeat(SIZE / 8), true),
        ("e\u{301}".repeat(SIZE / 3), true),
        (String::new(), false),
    ] {
        let beginning: String = text.chars().take(20).collect();
        let rejected = |translation: &str| {
            let outcome = filter(&row((&text, translation), ("Yes.", "Sim."), PORTUGUESE));
            let rejected = !outcome.rejections.is_empty();
            let missing = outcome.outputs[0].question.translation.is_none();
            assert_eq!(missing, rejected, "{beginning:?}: {:?}", outcome.rejections);
            rejected
        };
        assert_eq!(rejected(&text), has_words, "{beginning:?} copied");
        rejected(&text.chars().rev().collect::<String>());
    }
}
