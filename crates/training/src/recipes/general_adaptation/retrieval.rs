//! Whether the stack finds translations, which says early on whether it learns to read the encoder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use corpus::source::{self, SourceError};
use models::text_input::passes;
use models::{Backbone, BackboneNetwork, EncodedText, TextInput};

use super::AdaptError;
use super::document_states::TOKENS_PER_PASS;
use crate::recipes::encoder_states::values;

/// Line-aligned files of sentences and their translations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetrievalFiles {
    /// Sentences in the language of the training text, one per line.
    pub source: PathBuf,
    /// Their translations by the FLORES-200 code of the language.
    pub translations: BTreeMap<String, PathBuf>,
}

/// Sentences and their translations, as tokens.
#[derive(Debug)]
pub struct Retrieval {
    /// The code of the language of the training text, and its sentences.
    source: (String, Vec<EncodedText>),
    translations: Vec<(String, Vec<EncodedText>)>,
    /// The LLM's own pooled states of the sentences.
    targets: Vec<f32>,
}

impl Retrieval {
    /// Reads the files.
    pub fn read(
        files: &RetrievalFiles,
        language: &str,
        stack: &Backbone,
        llm: (&Backbone, &BackboneNetwork),
    ) -> Result<Self, AdaptError> {
        let lines = RetrievalFiles::sentences(&files.source)?;
        let sentences = encoded(&files.source, &lines, stack, language)?;
        let own = encoded(&files.source, &lines, llm.0, language)?;
        let mut translations = Vec::new();
        for (code, path) in &files.translations {
            let found = RetrievalFiles::sentences(path)?;
            if found.len() != lines.len() {
                return Err(AdaptError::Unaligned {
                    path: path.clone(),
                    found: found.len(),
                    sentences: files.source.clone(),
                    expected: lines.len(),
                });
            }
            translations.push((code.clone(), encoded(path, &found, stack, code)?));
        }
        Ok(Self {
            targets: pooled(llm, &own),
            source: (language.to_owned(), sentences),
            translations,
        })
    }

    /// By language, the fraction of the variance of the LLM's states that the stack's leave
    /// unexplained (`CODE.fvu`), and the share of sentences whose translation has the nearest state
    /// of all, by cosine (`CODE.retrieval`); `retrieval` is its mean over all languages.
    pub fn measure(&self, stack: (&Backbone, &BackboneNetwork)) -> BTreeMap<String, f64> {
        let (language, sentences) = &self.source;
        let width = self.targets.len() / sentences.len().max(1);
        let variance = variance(&self.targets, width);
        let fvu = |states: &[f32]| mean_squared_error(states, &self.targets) / variance;
        let source = pooled(stack, sentences);
        let mut measured = BTreeMap::from([(format!("{language}.fvu"), fvu(&source))]);
        let mut sum = 0.0;
        for (code, translations) in &self.translations {
            let states = pooled(stack, translations);
            measured.insert(format!("{code}.fvu"), fvu(&states));
            let found = found(&source, &states, width);
            measured.insert(format!("{code}.retrieval"), found);
            sum += found;
        }
        if !self.translations.is_empty() {
            let mean = sum / self.translations.len() as f64;
            measured.insert("retrieval".to_owned(), mean);
        }
        measured
    }
}

impl RetrievalFiles {
    /// The sentences of a file. Empty lines at its end are none.
    ///
    /// # Errors
    /// The file cannot be read, or is no text file with a sentence per line.
    pub fn sentences(path: &Path) -> Result<Vec<String>, SourceError> {
        source::check_lines(path)?;
        let lines = source::all_lines(path)?.into_iter().map(|(line, text)| {
            text.map_err(|_| SourceError::NotUtf8 {
                path: path.to_owned(),
                line,
            })
        });
        let mut lines: Vec<String> = lines.collect::<Result<_, _>>()?;
        let full = lines.iter().rposition(|line| !line.trim().is_empty());
        lines.truncate(full.map_or(0, |last| last + 1));
        Ok(lines)
    }
}

fn encoded(
    path: &Path,
    lines: &[String],
    backbone: &Backbone,
    language: &str,
) -> Result<Vec<EncodedText>, AdaptError> {
    let encode = |(number, line): (usize, &String)| {
        let encoded = backbone.encode(&TextInput::Single(line), Some(language));
        encoded.map_err(|source| AdaptError::Sentence {
            path: path.to_owned(),
            line: number + 1,
            source: Box::new(source),
        })
    };
    lines.iter().enumerate().map(encode).collect()
}

/// The pooled states of these texts, row by row.
fn pooled((backbone, network): (&Backbone, &BackboneNetwork), texts: &[EncodedText]) -> Vec<f32> {
    let mut rows = Vec::new();
    for pass in passes(texts, TOKENS_PER_PASS, EncodedText::tokens) {
        let pass: Vec<&EncodedText> = pass.iter().collect();
        rows.extend(values(backbone.pooled(network, &pass, None, None)));
    }
    rows
}

/// The mean over all values of the squared distance to the mean of their column.
pub fn variance(rows: &[f32], width: usize) -> f64 {
    let count = (rows.len() / width.max(1)).max(1) as f64;
    let mut sums = vec![[0.0_f64; 2]; width];
    for row in rows.chunks_exact(width.max(1)) {
        for ([sum, squares], &value) in sums.iter_mut().zip(row) {
            *sum += f64::from(value);
            *squares += f64::from(value).powi(2);
        }
    }
    let of_column = |[sum, squares]: &[f64; 2]| squares / count - (sum / count).powi(2);
    sums.iter().map(of_column).sum::<f64>() / width.max(1) as f64
}

fn mean_squared_error(a: &[f32], b: &[f32]) -> f64 {
    let squared = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    squared.sum::<f64>() / a.len().max(1) as f64
}

/// The share of rows of `source` to which the row of `targets` of the same number is nearest.
fn found(source: &[f32], targets: &[f32], width: usize) -> f64 {
    let unit = |rows: &[f32]| -> Vec<Vec<f32>> {
        let normalised = rows.chunks_exact(width).map(|row| {
            let norm = row
                .iter()
                .map(|x| x * x)
                .sum::<f32>()
                .sqrt()
                .max(f32::MIN_POSITIVE);
            row.iter().map(|x| x / norm).collect()
        });
        normalised.collect()
    };
    let (source, targets) = (unit(source), unit(targets));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let right = source.iter().enumerate().filter(|(number, row)| {
        let nearest = (0..targets.len())
            .max_by(|&a, &b| dot(row, &targets[a]).total_cmp(&dot(row, &targets[b])));
        nearest == Some(*number)
    });
    right.count() as f64 / source.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_lines_and_blank_ones_at_the_end_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            RetrievalFiles::sentences(&path).map_err(|error| error.to_string())
        };
        let text = "\u{FEFF}One.\r\n\nThree.\n \n\n";
        assert_eq!(
            read("a.eng", text.as_bytes()).unwrap(),
            ["One.", "", "Three."]
        );
        assert_eq!(read("b.txt", b"\n").unwrap(), [""; 0]);
        let error = read("c.txt", b"One.\n\xff\n").unwrap_err();
        assert!(error.contains("c.txt:2: not UTF-8"), "{error}");
        assert!(read("d.tsv", b"1\tOne.\n").is_err());
    }

    #[test]
    fn a_translation_is_found_if_its_state_has_the_nearest_direction() {
        let source = [1.0, 0.0, 0.0, 2.0, 1.0, 1.0];
        assert_eq!(found(&source, &[9.0, 1.0, 0.1, 0.5, 3.0, 4.0], 2), 1.0);
        let swapped = [0.1, 0.5, 9.0, 1.0, 3.0, 4.0];
        assert!((found(&source, &swapped, 2) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn variance_is_that_around_the_mean_of_each_column() {
        assert!((variance(&[1.0, 10.0, 3.0, 10.0], 2) - 0.5).abs() < 1e-12);
        assert!((mean_squared_error(&[1.0, 2.0], &[2.0, 0.0]) - 2.5).abs() < 1e-12);
    }
}
