//! Text comes apart and goes together: byte for byte with a translator that changes nothing, and
//! with everything protected that must not change.

mod byte_for_byte;
mod protection;
mod sentences;

use corpus::language::Language;
use corpus::text::budget::DEFAULT_PIECES;
use corpus::text::segment::{Segment, Segmenter, join};

const ENGLISH: Language = Language::ENGLISH;

fn segmenter() -> Segmenter {
    Segmenter::new(ENGLISH, DEFAULT_PIECES)
}

/// The sentences of `text` as a translator would see them.
fn masked(text: &str) -> Vec<String> {
    segmenter()
        .segment(text)
        .iter()
        .filter_map(|segment| match segment {
            Segment::Translate(sentence) => Some(sentence.masked().into_owned()),
            Segment::Keep(_) => None,
        })
        .collect()
}

/// `text` after a translator that returns every sentence as it came.
fn through_identity(segmenter: &Segmenter, text: &str, language: Language) -> String {
    let segments = segmenter.segment(text);
    let sentences: Vec<String> = segments
        .iter()
        .filter_map(|segment| match segment {
            Segment::Translate(sentence) => {
                let back = sentence.restored(&sentence.masked());
                Some(back.unwrap_or_else(|| panic!("lost a placeholder of {sentence:?}")))
            }
            Segment::Keep(_) => None,
        })
        .collect();
    join(
        &segments,
        sentences.iter().map(String::as_str),
        language,
        language,
    )
}
