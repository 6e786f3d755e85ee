//! A supervised fastText model: bag of words and n-grams, a mean of their rows, a linear layer
//! (Joulin et al. 2017, arXiv:1607.01759).

use super::cursor::Cursor;
use super::dictionary::{Dictionary, Features};
use super::matrix::Matrix;
use super::tree::Tree;

const MAGIC: i32 = 793_712_314;
/// Current file format, used since 2017, and the one before it.
const VERSIONS: [i32; 2] = [12, 11];
/// Code for classifiers among the kinds of models.
const SUPERVISED: i32 = 3;
/// Maximum number of words or letters of an n-gram; published models use up to 6.
const MAX_NGRAM: usize = 64;

/// The kind of output layer.
enum Output {
    Softmax,
    /// Negative sampling and one-versus-all: one sigmoid per label.
    Sigmoid,
    Hierarchical(Tree),
}

/// A model whose rows are read from `file` when they are needed.
pub(super) struct Model {
    dictionary: Dictionary,
    input: Matrix,
    weights: Matrix,
    output: Output,
}

impl Model {
    /// Reads everything except the rows of the matrices, and checks that every row that a text can
    /// refer to exists.
    pub(super) fn read(file: &[u8]) -> Result<Self, String> {
        let mut cursor = Cursor::new(file);
        if cursor.i32("the magic number")? != MAGIC {
            return Err("not a fastText model: the magic number is wrong".into());
        }
        let version = cursor.i32("the version")?;
        if !VERSIONS.contains(&version) {
            return Err(format!(
                "file format {version}; versions 11 and 12 are read"
            ));
        }
        let arguments = Arguments::read(&mut cursor, version)?;
        let dictionary = Dictionary::read(file, &mut cursor, arguments.features)?;
        if dictionary.label_counts.is_empty() {
            return Err("it has no labels".into());
        }
        let quantised = cursor.bool("whether the input matrix is quantised")?;
        let input = match quantised {
            true => Matrix::quantised(&mut cursor, "the input matrix")?,
            false if dictionary.is_pruned() => {
                return Err("it is pruned but not quantised; download it again".into());
            }
            false => Matrix::dense(&mut cursor, "the input matrix")?,
        };
        let quantised_output = cursor.bool("whether the output matrix is quantised")?;
        let weights = match quantised && quantised_output {
            true => Matrix::quantised(&mut cursor, "the output matrix")?,
            false => Matrix::dense(&mut cursor, "the output matrix")?,
        };
        let labels = dictionary.label_counts.len();
        for (matrix, rows, what) in [
            (&input, dictionary.rows(), "input"),
            (&weights, labels, "output"),
        ] {
            if matrix.rows < rows || matrix.columns != arguments.dimension {
                return Err(format!(
                    "the {what} matrix has {} rows and {} columns; expected {rows} and {}",
                    matrix.rows, matrix.columns, arguments.dimension
                ));
            }
        }
        let output = match arguments.loss {
            1 => Output::Hierarchical(Tree::new(&dictionary.label_counts)?),
            2 | 4 => Output::Sigmoid,
            3 => Output::Softmax,
            other => return Err(format!("loss {other} does not exist")),
        };
        Ok(Self {
            dictionary,
            input,
            weights,
            output,
        })
    }

    /// All labels in the file's order, e.g. `__label__pt`.
    pub(super) fn labels<'f>(&self, file: &'f [u8]) -> Vec<&'f [u8]> {
        self.dictionary.labels(file)
    }

    /// The most probable label, by its index in [`labels`](Self::labels), and its probability.
    /// `None` if the model knows nothing in the text.
    pub(super) fn predict(&self, file: &[u8], text: &str) -> Option<(usize, f32)> {
        let mut rows = Vec::new();
        self.dictionary.rows_of(file, text, &mut rows);
        if rows.is_empty() {
            return None;
        }
        let mut mean = vec![0.0; self.input.columns];
        for &row in &rows {
            self.input.add_row(file, row, &mut mean);
        }
        let share = 1.0 / rows.len() as f32;
        mean.iter_mut().for_each(|value| *value *= share);
        let logit = |row| self.weights.dot_row(file, row, &mean);
        if let Output::Hierarchical(tree) = &self.output {
            return Some(tree.best(logit));
        }
        let mut scores: Vec<f32> = (0..self.dictionary.label_counts.len()).map(logit).collect();
        if let Output::Sigmoid = self.output {
            scores.iter_mut().for_each(|score| *score = sigmoid(*score));
        }
        // Of equal values the last one wins, as in the reference implementation's heap.
        let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]))?;
        let probability = match self.output {
            Output::Softmax => {
                let sum: f32 = scores
                    .iter()
                    .map(|score| (score - scores[best]).exp())
                    .sum();
                1.0 / sum
            }
            _ => scores[best],
        };
        Some((best, probability))
    }
}

/// The reference implementation reads its sigmoid from a table: 512 values between -8 and 8, and 0
/// and 1 beyond.
fn sigmoid(x: f32) -> f32 {
    match x {
        x if x < -8.0 => 0.0,
        x if x > 8.0 => 1.0,
        x => {
            let place = ((x + 8.0) * 32.0).floor() / 32.0 - 8.0;
            1.0 / (1.0 + (-place).exp())
        }
    }
}

/// The subset of a model's training arguments that its use depends on.
struct Arguments {
    dimension: usize,
    loss: i32,
    features: Features,
}

impl Arguments {
    fn read(cursor: &mut Cursor, version: i32) -> Result<Self, String> {
        let dimension = cursor.size("the dimension")?;
        for passed_over in [
            "the window",
            "the epochs",
            "the least count",
            "the negatives",
        ] {
            cursor.i32(passed_over)?;
        }
        let word_ngrams = cursor.size("the length of word n-grams")?;
        let loss = cursor.i32("the loss")?;
        let kind = cursor.i32("the kind of model")?;
        let buckets = cursor.size("the number of buckets")?;
        let min_n = cursor.size("the shortest character n-gram")?;
        let max_n = cursor.size("the longest character n-gram")?;
        cursor.i32("the rate of updates")?;
        cursor.i64("the sampling threshold")?;
        if kind != SUPERVISED {
            return Err(
                "it holds word vectors, not a classifier; name a language identification model"
                    .into(),
            );
        }
        // Version 11 wrote a maximum n-gram length that classifiers did not use.
        let max_n = if version == 11 { 0 } else { max_n };
        if word_ngrams > MAX_NGRAM || max_n > MAX_NGRAM {
            return Err(format!(
                "n-grams of {word_ngrams} words and {max_n} letters; at most {MAX_NGRAM} are read"
            ));
        }
        if buckets == 0 && (word_ngrams > 1 || max_n > 0) {
            return Err("it has n-grams but no buckets for them".into());
        }
        Ok(Self {
            dimension,
            loss,
            features: Features {
                word_ngrams,
                buckets,
                min_n,
                max_n,
            },
        })
    }
}
