//! `xldistill score`: hypotheses against references, as sacrebleu, rouge-score, MKQA's script and
//! scikit-learn score them.

mod mkqa;

use std::{io::Write, path::Path};

use anyhow::Result;
use evaluation::metric::accuracy::Accuracy;
use evaluation::metric::macro_f1::MacroF1;
use evaluation::metric::rouge::{Rouge, RougeTokenizer, RougeUnit};
use evaluation::metric::tokenizer::{AUTO, Tokenizer, name_for_text};
use evaluation::metric::{Metric, SegmentStatistics, segment_statistics};
use evaluation::metric::{bleu::Bleu, chrf::Chrf, ter::Ter};
use evaluation::score::score_of;
use evaluation::significance::{Exchanges, Resampled, Resamples, Resampling, Ties};
use evaluation::task::Sample;

use crate::{
    arguments::{ScoreCommand, ScoreFiles, language as language_of},
    config_file::ConfigError,
    lines,
};

/// Scores the files that `command` names and prints the score.
pub fn run(command: &ScoreCommand) -> Result<()> {
    match command {
        ScoreCommand::Bleu {
            files,
            tokenizer,
            sentencepiece_model,
        } => print(files, |texts| {
            let references = texts.references.iter().flatten();
            let name = match tokenizer.as_str() {
                AUTO => name_for_text(references.map(String::as_str)),
                name => name,
            };
            let tokenizer = Tokenizer::named(name, sentencepiece_model.as_deref())
                .map_err(|error| ConfigError(format!("--tokenizer: {error}")))?;
            Ok(Bleu::new(tokenizer))
        }),
        ScoreCommand::Chrf { files, word_order } => print(files, |_| Ok(Chrf::new(*word_order))),
        ScoreCommand::Ter {
            files,
            case_sensitive,
            normalized,
            no_punct,
            asian_support,
        } => print(files, |_| {
            Ok(Ter {
                case_sensitive: *case_sensitive,
                normalized: *normalized,
                no_punct: *no_punct,
                asian_support: *asian_support,
            })
        }),
        ScoreCommand::Rouge {
            files,
            unit,
            language,
        } => {
            let unit = match unit.as_str() {
                "1" => RougeUnit::Ngrams(1),
                "2" => RougeUnit::Ngrams(2),
                _ => RougeUnit::Subsequence,
            };
            let tokenizer = match language {
                None => RougeTokenizer::Ascii,
                Some(name) => RougeTokenizer::multilingual(language_of("--language", name)?),
            };
            print(files, |_| Ok(Rouge { unit, tokenizer }))
        }
        ScoreCommand::Mkqa {
            predictions,
            language,
            json,
        } => mkqa::run(predictions, language_of("--language", language)?, *json),
        ScoreCommand::Accuracy { files } => print(files, |_| Ok(Accuracy)),
        ScoreCommand::MacroF1 { files } => print(files, |texts| {
            let [references] = texts.references.as_slice() else {
                let message =
                    "--references: macro-F1 compares with one label per line; name one file";
                return Err(ConfigError(message.to_owned()).into());
            };
            let labels = texts.systems.iter().flatten().chain(references);
            Ok(MacroF1::over(labels.map(String::as_str)))
        }),
    }
}

/// What is scored.
struct Texts {
    /// The hypotheses of each system.
    systems: Vec<Vec<String>>,
    /// The first reference of every segment, the second of every segment, ….
    references: Vec<Vec<String>>,
}

impl Texts {
    fn read(files: &ScoreFiles) -> Result<Texts> {
        if let Some(path) = &files.samples {
            return Texts::saved(path);
        }
        Ok(Texts {
            systems: files.hypotheses.iter().map(read).collect::<Result<_>>()?,
            references: files.references.iter().map(read).collect::<Result<_>>()?,
        })
    }

    /// The outputs and references in the samples of an evaluation.
    fn saved(path: &Path) -> Result<Texts> {
        let lines = read(path)?;
        let (mut hypotheses, mut references) = (Vec::new(), Vec::new());
        for (index, line) in lines.iter().enumerate() {
            let sample: Sample = serde_json::from_str(line).map_err(|error| {
                anyhow::anyhow!(
                    "{}:{}: no sample of an evaluation: {error}",
                    path.display(),
                    index + 1
                )
            })?;
            let Some(output) = sample.filtered_resps.into_iter().next() else {
                anyhow::bail!(
                    "{}: the task of these samples scores text without an output of the model",
                    path.display()
                );
            };
            hypotheses.push(output);
            references.push(sample.target);
        }
        Ok(Texts {
            systems: vec![hypotheses],
            references: vec![references],
        })
    }
}

/// Scores `files` by the metric that `metric` makes for their texts, which are read once: they may
/// be what the shell makes of <(...).
fn print<M: Metric>(files: &ScoreFiles, metric: impl FnOnce(&Texts) -> Result<M>) -> Result<()> {
    let texts = Texts::read(files)?;
    let metric: &dyn Metric = &metric(&texts)?;
    let Texts {
        systems,
        references,
    } = texts;
    let resampling = files.resamples.map(|samples| Resampling {
        samples: samples as usize,
        ..Resampling::default()
    });
    let statistics = systems
        .iter()
        .map(|hypotheses| segment_statistics(metric, hypotheses, &references))
        .collect::<Result<Vec<_>, _>>()?;
    let tests = files
        .paired
        .as_deref()
        .zip(statistics.first())
        .map(|(kind, first)| Paired::new(kind, first, metric));
    let mut lines = Vec::new();
    for (at, own) in statistics.iter().enumerate() {
        let score = score_of(metric, own, references.len(), resampling.as_ref());
        let path = files.hypotheses.get(at).or(files.samples.as_ref());
        let system = path
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        let p_value = tests.as_ref().filter(|_| at > 0);
        let p_value = p_value.map(|tests| tests.p_value(own, metric));
        lines.push((system, score, p_value));
    }
    let mut out = std::io::stdout().lock();
    match (lines.as_slice(), files.json) {
        ([(_, score, _)], true) => writeln!(out, "{}", serde_json::to_string(score)?)?,
        ([(_, score, _)], false) => writeln!(out, "{score}")?,
        (lines, true) => {
            let mut objects = Vec::new();
            for (system, score, p_value) in lines {
                let mut object = serde_json::to_value(score)?;
                object["system"] = system.as_str().into();
                if let Some(p_value) = p_value {
                    object["p_value"] = (*p_value).into();
                }
                objects.push(object);
            }
            writeln!(out, "{}", serde_json::Value::from(objects))?;
        }
        (lines, false) => {
            for (system, score, p_value) in lines {
                let tested = p_value
                    .map(|p| format!(" (p = {p:.4})"))
                    .unwrap_or_default();
                writeln!(out, "{system}: {score}{tested}")?;
            }
        }
    }
    Ok(())
}

/// A paired test of systems against the first.
enum Paired<'s> {
    Bootstrap(Resamples, Resampled),
    Randomisation(Exchanges, &'s SegmentStatistics),
}

impl<'s> Paired<'s> {
    /// The test called `kind` against `first`, with sacrebleu's numbers of resamples and trials.
    fn new(kind: &str, first: &'s SegmentStatistics, metric: &dyn Metric) -> Self {
        match kind {
            "bs" => {
                let resamples = Resamples::draw(first.len(), &Resampling::default());
                let resampled = Resampled::new(first, &metric.aggregate(), &resamples);
                Paired::Bootstrap(resamples, resampled)
            }
            _ => {
                let exchanges = Exchanges::draw(first.len(), &Resampling::TRIALS);
                Paired::Randomisation(exchanges, first)
            }
        }
    }

    fn p_value(&self, second: &SegmentStatistics, metric: &dyn Metric) -> f64 {
        let aggregate = metric.aggregate();
        let test = match self {
            Paired::Bootstrap(resamples, first) => {
                first.test(&Resampled::new(second, &aggregate, resamples))
            }
            Paired::Randomisation(exchanges, first) => {
                exchanges.test(first, second, &aggregate, Ties::Ignored)
            }
        };
        test.p_value
    }
}

fn read(path: impl AsRef<Path>) -> Result<Vec<String>> {
    lines::of_file(path.as_ref())
}
