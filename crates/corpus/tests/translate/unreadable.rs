//! What a translator cannot read, or has not learnt to read, does not get lost: letters that its
//! vocabulary lacks, and text in capitals.

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Translator};

use crate::{Engine, GERMAN, PORTUGUESE, row, translate};

/// A translator with a vocabulary of Latin-1, which drops every other character.
struct Latin1<F>(Engine<F>);

impl<F: Fn(&str) -> String + Send + Sync> Translator for Latin1<F> {
    fn identity(&self) -> EngineIdentity {
        self.0.identity()
    }

    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        let keep = |text: &String| text.chars().filter(|&c| c <= 'ÿ').collect();
        let sentences: Vec<String> = sentences.iter().map(keep).collect();
        self.0.translate(&sentences, from, to)
    }

    fn unknown_characters(
        &self,
        characters: &[char],
        _: Language,
        _: Language,
    ) -> Result<Vec<char>, EngineError> {
        Ok(characters.iter().copied().filter(|&c| c > 'ÿ').collect())
    }
}

fn question(translator: &dyn Translator, to: Language, text: &str) -> Option<String> {
    let outcome = translate(translator, &[to], &[row("a", text, "1", None)]).remove(0);
    outcome.outputs[0].question.translation.clone()
}

#[test]
fn words_that_the_vocabulary_lacks_travel_as_placeholders() {
    let translator = Latin1(Engine::new(|text| {
        text.replace("is written", "se escreve").replace("or", "ou")
    }));
    let translated = |text| question(&translator, PORTUGUESE, text);
    assert_eq!(
        translated("Kyiv is written Київ or 基辅 市.").as_deref(),
        Some("Kyiv se escreve Київ ou 基辅 市.")
    );
    assert_eq!(translated("Łódź?").as_deref(), Some("Łódź?"));
    assert_eq!(translated("café or pão").as_deref(), Some("café ou pão"));
    assert_eq!(
        translator.0.asked(),
        ["Kyiv is written XK1 or XK2.", "café or pão"],
        "a sentence of nothing else is not sent"
    );
}

#[test]
fn a_lost_placeholder_of_a_word_is_translated_around() {
    let translator = Latin1(Engine::new(|text| text.replace("XK1", "").to_lowercase()));
    assert_eq!(
        question(&translator, PORTUGUESE, "The King of Łódź Sang.").as_deref(),
        Some("the king of Łódź sang.")
    );
}

#[test]
fn capitals_travel_in_small_letters_and_come_back() {
    let translator = Engine::new(|text| {
        text.replace("I open", "eu abro")
            .replace("Do not open", "Não abra")
            .replace("now", "já")
            .replace("Visit", "Visite")
    });
    let translated = |text| question(&translator, PORTUGUESE, text);
    assert_eq!(
        translated("DO NOT OPEN THE FILE_NAME.TXT NOW!").as_deref(),
        Some("NÃO ABRA THE FILE_NAME.TXT JÁ!")
    );
    assert_eq!(
        translated("VISIT https://a.com/Xy BEFORE I OPEN.").as_deref(),
        Some("VISITE https://a.com/Xy BEFORE EU ABRO.")
    );
    assert_eq!(
        translated("NASA and UN now").as_deref(),
        Some("NASA and UN já")
    );
    assert_eq!(
        translator.asked(),
        [
            "Do not open the XK1 now!",
            "Visit XK1 before I open.",
            "NASA and UN now"
        ]
    );
    let german = Engine::new(|text| text.replace("street", "Straße"));
    assert_eq!(
        question(&german, GERMAN, "THE STREET").as_deref(),
        Some("THE STRASSE")
    );
}

#[test]
fn capitals_are_restored_in_the_parts_of_a_sentence_that_lost_its_placeholder() {
    let translator = Engine::new(|text| text.replace("XK1", "").replace("wait for", "espere por"));
    assert_eq!(
        question(
            &translator,
            PORTUGUESE,
            "PLEASE WAIT FOR https://a.com/Xy HERE"
        )
        .as_deref(),
        Some("PLEASE ESPERE POR https://a.com/Xy HERE")
    );
}
