//! Texts too long for the encoder, split into parts that belong together.

use std::ops::Range;

use corpus::language::Language;
use corpus::text::sentences::SentenceSplitter;
use models::comet::{CometError, CometModel, EncodedSample, Sample};

/// Encodes samples, whole if they fit.
pub(super) struct Parts<'a> {
    model: &'a CometModel,
    source: SentenceSplitter,
    target: SentenceSplitter,
}

impl<'a> Parts<'a> {
    pub fn new(model: &'a CometModel, from: Language, to: Language) -> Self {
        Self {
            model,
            source: SentenceSplitter::new(from),
            target: SentenceSplitter::new(to),
        }
    }

    /// Adds `sample` to `encoded`, in as many parts as needed.
    pub fn add(
        &mut self,
        sample: Sample<'_>,
        encoded: &mut Vec<EncodedSample>,
    ) -> Result<(), CometError> {
        let whole = self.model.encode(sample)?;
        if whole.fits() {
            encoded.push(whole);
            return Ok(());
        }
        drop(whole);
        let texts = [
            Some(sample.source),
            Some(sample.translation),
            sample.reference,
        ];
        let is_divisible = |text: &str| text.trim().chars().nth(1).is_some();
        if !texts.into_iter().flatten().any(is_divisible) {
            let max_tokens = self.model.max_tokens();
            return Err(CometError::Indivisible { max_tokens });
        }
        for part in self.split(sample) {
            self.add(part, encoded)?;
        }
        Ok(())
    }

    /// Splits the sample into sentences, or a single sentence into two halves.
    ///
    /// If source, translation and reference have different numbers of sentences, neighbours are
    /// joined in those that have more, so that the parts end at about the same share of each text.
    fn split<'t>(&self, sample: Sample<'t>) -> Vec<Sample<'t>> {
        let source = sentences(&self.source, sample.source);
        let translation = sentences(&self.target, sample.translation);
        let reference = sample.reference.map(|text| sentences(&self.target, text));
        let texts: Vec<&[Range<usize>]> = [Some(&source), Some(&translation), reference.as_ref()]
            .into_iter()
            .flatten()
            .map(Vec::as_slice)
            .collect();
        let fewest = texts.iter().min_by_key(|text| text.len());
        let ends = match fewest {
            Some(fewest) if fewest.len() > 1 => shares(fewest),
            _ => return halves(sample),
        };
        let of = |text: &'t str, sentences: &[Range<usize>]| group(text, sentences, &ends);
        let sources = of(sample.source, &source);
        let translations = of(sample.translation, &translation);
        let references = sample
            .reference
            .zip(reference.as_ref())
            .map(|(text, sentences)| of(text, sentences));
        (0..ends.len())
            .map(|part| Sample {
                source: sources[part],
                translation: translations[part],
                reference: references.as_ref().map(|references| references[part]),
            })
            .collect()
    }
}

/// Sentences of all lines of a text, as ranges.
fn sentences(splitter: &SentenceSplitter, text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut sentences = Vec::new();
    for line in text.split_inclusive('\n') {
        let ranges = splitter.split(line, &[]);
        sentences.extend(
            ranges
                .into_iter()
                .map(|range| start + range.start..start + range.end),
        );
        start += line.len();
    }
    sentences
}

/// For each sentence, the share of the text's length up to its end.
fn shares(sentences: &[Range<usize>]) -> Vec<f64> {
    let total: usize = sentences.iter().map(Range::len).sum();
    let mut sum = 0;
    sentences
        .iter()
        .map(|sentence| {
            sum += sentence.len();
            sum as f64 / total.max(1) as f64
        })
        .collect()
}

/// Splits a text of at least as many sentences as there are `ends` into as many parts; each part
/// ends with the sentence whose end is nearest to the given share.
fn group<'t>(text: &'t str, sentences: &[Range<usize>], ends: &[f64]) -> Vec<&'t str> {
    let own = shares(sentences);
    let mut first = 0;
    ends.iter()
        .enumerate()
        .map(|(part, &end)| {
            // One sentence is left for each part that follows.
            let last = sentences.len() - (ends.len() - part);
            let distance = |sentence: &usize| (own[*sentence] - end).abs();
            let nearest = (first..=last)
                .min_by(|a, b| distance(a).total_cmp(&distance(b)))
                .unwrap_or(last);
            let nearest = if part + 1 == ends.len() {
                last
            } else {
                nearest
            };
            let range = sentences[first].start..sentences[nearest].end;
            first = nearest + 1;
            &text[range]
        })
        .collect()
}

/// Splits a sample into two halves: each text is cut between words near its middle, or between
/// characters if it has no words.
fn halves(sample: Sample<'_>) -> Vec<Sample<'_>> {
    let [source, translation] = [sample.source, sample.translation].map(cut);
    let reference = sample.reference.map(cut);
    [0, 1]
        .map(|half| Sample {
            source: source[half],
            translation: translation[half],
            reference: reference.map(|reference| reference[half]),
        })
        .to_vec()
}

fn cut(text: &str) -> [&str; 2] {
    let text = text.trim();
    let middle = text.len() / 2;
    let distance = |at: &usize| at.abs_diff(middle);
    let space = text
        .char_indices()
        .filter(|(_, c)| c.is_whitespace())
        .map(|(at, _)| at)
        .min_by_key(distance)
        .filter(|at| *at > 0);
    // A word longer than a quarter of the text is cut, not left in one half.
    let space = space.filter(|at| distance(at) <= text.len() / 4);
    let at = space.unwrap_or_else(|| text.floor_char_boundary(middle));
    let (left, right) = text.split_at(at);
    [left.trim_end(), right.trim_start()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(text: &str) -> Vec<Range<usize>> {
        sentences(&SentenceSplitter::new(Language::ENGLISH), text)
    }

    #[test]
    fn texts_of_different_numbers_of_sentences_are_grouped_by_their_share() {
        let long = "One two three. Four five six. Seven! Eight nine ten eleven twelve.";
        let short = "Um dois três quatro cinco. Seis sete oito nove dez onze doze.";
        let ends = shares(&ranges(short));
        assert_eq!(ends.len(), 2);
        let parts = group(long, &ranges(long), &ends);
        assert_eq!(
            parts,
            [
                "One two three. Four five six.",
                "Seven! Eight nine ten eleven twelve."
            ]
        );
        assert_eq!(group(short, &ranges(short), &ends).len(), 2);
    }

    #[test]
    fn every_part_has_a_sentence() {
        let text = "One of many words that go on for quite a while. Two is short. Three too. Four ends it.";
        let parts = group(text, &ranges(text), &[0.1, 0.2, 0.3, 1.0]);
        assert_eq!(parts.len(), 4);
        assert_eq!(parts[3], "Four ends it.");
    }

    #[test]
    fn a_text_is_cut_between_words_or_characters() {
        assert_eq!(cut("one two three"), ["one two", "three"]);
        assert_eq!(cut("一二三四"), ["一二", "三四"]);
        assert_eq!(cut(""), ["", ""]);
        assert_eq!(cut("a"), ["", "a"]);
        assert_eq!(
            cut("ab looooooooooooooooooooong"),
            ["ab looooooooo", "oooooooooooong"]
        );
    }
}
