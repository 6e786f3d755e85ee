//! Texts into another language, with every separator, list mark, tag and line of code in its place.
//!
//! Texts go to the engine sentence by sentence, since translation models lose sentences when they
//! are given several. What must not change inside a sentence travels as a placeholder; if a model
//! loses one, the sentence is translated in parts around it. A sentence whose translation goes round
//! in circles is translated once more without repeated n-grams if the engine can do that. Words with
//! letters that the engine's vocabulary lacks travel as placeholders, too, and text in capitals
//! travels in small letters.
//!
//! A change of what comes out raises the versions of the stages that translate: `translate`,
//! `passages` and `native`.

mod travelling;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::language::Language;
use crate::repetition;
use crate::seam::{EngineError, Translator};
use crate::text::segment::{Segment, Segmenter, Sentence, join};
use crate::text::unknown_words::may_be_unknown;
use travelling::Travelling;

/// n-grams that a second attempt at a looping sentence may not repeat, in tokens. Shorter ones are
/// repeated by good translations, too.
pub(crate) const NO_REPEAT_NGRAM_SIZE: usize = 4;

/// The translation of each text; `None` if the engine returned nothing for one of its sentences.
pub fn translate_texts(
    translator: &dyn Translator,
    segmenter: &Segmenter,
    texts: &[&str],
    from: Language,
    to: Language,
) -> Result<Vec<Option<String>>, EngineError> {
    let segments: Vec<Vec<Segment>> = texts
        .par_iter()
        .map(|text| segmenter.segment(text))
        .collect();
    let sentences = segments.iter().flatten().filter_map(sentence);
    let memory = translate_sentences(translator, sentences, from, to)?;
    Ok(segments
        .iter()
        .map(|segments| put_together(segments, &memory, from, to).ok())
        .collect())
}

/// The sentence of a segment that is translated.
pub(crate) fn sentence<'s>(segment: &'s Segment) -> Option<&'s Sentence<'s>> {
    match segment {
        Segment::Translate(sentence) => Some(sentence),
        Segment::Keep(_) => None,
    }
}

/// Translations by sentence; what the engine returned nothing for is missing.
pub(crate) type Memory<'s> = FxHashMap<&'s Sentence<'s>, String>;

/// The translation of a whole text, or the sentence for which there is none.
pub(crate) fn put_together<'s>(
    segments: &'s [Segment],
    memory: &Memory,
    from: Language,
    to: Language,
) -> Result<String, &'s str> {
    let translations: Vec<&str> = segments
        .iter()
        .filter_map(sentence)
        .map(|sentence| {
            memory
                .get(sentence)
                .map(String::as_str)
                .ok_or(sentence.text)
        })
        .collect::<Result<_, _>>()?;
    Ok(join(segments, translations, from, to))
}

/// Translates every distinct sentence once.
pub(crate) fn translate_sentences<'s>(
    translator: &dyn Translator,
    sentences: impl Iterator<Item = &'s Sentence<'s>>,
    from: Language,
    to: Language,
) -> Result<Memory<'s>, EngineError> {
    let mut distinct = Vec::new();
    let mut memory = Memory::default();
    for sentence in sentences {
        // Filled below; the entry marks the sentence as seen.
        if memory.insert(sentence, String::new()).is_none() {
            distinct.push(sentence);
        }
    }
    let unknown = unknown_characters(translator, &distinct, from, to)?;
    let mut travelling = Vec::with_capacity(distinct.len());
    for sentence in distinct {
        let form = Travelling::new(sentence, &unknown, from, to);
        match form.has_words() {
            true => travelling.push((sentence, form)),
            // Nothing but words that the translator cannot read, such as a quotation.
            false => drop(memory.insert(sentence, sentence.text.to_owned())),
        }
    }
    let outward: Vec<String> = travelling.iter().map(|(_, form)| form.outward()).collect();
    let mut translations = ask(translator, &outward, from, to)?;
    once_more(translator, &outward, from, to, &mut translations)?;
    let mut broken = Vec::new();
    for ((sentence, form), translation) in travelling.into_iter().zip(translations) {
        match form.homeward(translation.trim()) {
            Some(restored) => {
                memory.insert(sentence, restored);
            }
            None => broken.push((sentence, form)),
        }
    }
    if !broken.is_empty() {
        around_protected(translator, &broken, from, to, &mut memory)?;
    }
    memory.retain(|_, translation| !translation.is_empty());
    Ok(memory)
}

/// The characters of the sentences that the translator can neither read nor write.
fn unknown_characters(
    translator: &dyn Translator,
    sentences: &[&Sentence],
    from: Language,
    to: Language,
) -> Result<FxHashSet<char>, EngineError> {
    let characters = sentences.iter().flat_map(|sentence| sentence.text.chars());
    let mut characters: Vec<char> = characters.filter(|&c| may_be_unknown(c)).collect();
    characters.sort_unstable();
    characters.dedup();
    if characters.is_empty() {
        return Ok(FxHashSet::default());
    }
    let unknown = translator.unknown_characters(&characters, from, to)?;
    Ok(unknown.into_iter().collect())
}

/// Translates the sentences whose translations loop again, without repeated n-grams. A second
/// translation that is better takes the place of the first.
fn once_more(
    translator: &dyn Translator,
    sentences: &[String],
    from: Language,
    to: Language,
    translations: &mut [String],
) -> Result<(), EngineError> {
    let looping: Vec<usize> = (sentences, &*translations)
        .into_par_iter()
        .enumerate()
        .filter(|(_, (sentence, translation))| repetition::added(sentence, translation).is_some())
        .map(|(index, _)| index)
        .collect();
    if looping.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = looping.iter().map(|&i| sentences[i].clone()).collect();
    let Some(again) = translator.translate_again(&texts, from, to, NO_REPEAT_NGRAM_SIZE)? else {
        return Ok(());
    };
    let again = all_answered(translator, &texts, again)?;
    for (index, second) in looping.into_iter().zip(again) {
        if !second.trim().is_empty() && repetition::added(&sentences[index], &second).is_none() {
            translations[index] = second;
        }
    }
    Ok(())
}

/// Translates sentences whose placeholders were lost, part by part around what is protected.
fn around_protected<'s>(
    translator: &dyn Translator,
    broken: &[(&'s Sentence<'s>, Travelling<'s>)],
    from: Language,
    to: Language,
    memory: &mut Memory<'s>,
) -> Result<(), EngineError> {
    let parts: Vec<Vec<Segment>> = broken.iter().map(|(_, form)| form.parts()).collect();
    let texts: Vec<String> = (broken.iter().zip(&parts))
        .flat_map(|((_, form), parts)| {
            let parts = parts.iter().filter_map(sentence);
            parts.map(|part| form.outward_part(part.text))
        })
        .collect();
    let mut translations = ask(translator, &texts, from, to)?.into_iter();
    for ((sentence, form), parts) in broken.iter().zip(&parts) {
        let count = parts
            .iter()
            .filter(|part| matches!(part, Segment::Translate(_)))
            .count();
        let translated: Vec<String> = translations
            .by_ref()
            .take(count)
            .map(|t| form.homeward_part(&t))
            .collect();
        let lost = translated.iter().any(String::is_empty);
        let text = join(parts, translated.iter().map(String::as_str), from, to);
        memory.insert(sentence, if lost { String::new() } else { text });
    }
    Ok(())
}

/// Asks the engine and checks that it answered every sentence.
fn ask(
    translator: &dyn Translator,
    sentences: &[String],
    from: Language,
    to: Language,
) -> Result<Vec<String>, EngineError> {
    if sentences.is_empty() {
        return Ok(Vec::new());
    }
    all_answered(
        translator,
        sentences,
        translator.translate(sentences, from, to)?,
    )
}

fn all_answered(
    translator: &dyn Translator,
    sentences: &[String],
    translations: Vec<String>,
) -> Result<Vec<String>, EngineError> {
    if translations.len() != sentences.len() {
        let (asked, got) = (sentences.len(), translations.len());
        let engine = translator.identity().engine;
        return Err(EngineError::new(
            engine,
            format!("returned {got} translations for {asked} sentences"),
        ));
    }
    Ok(translations)
}
