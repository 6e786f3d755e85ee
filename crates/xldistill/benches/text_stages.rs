//! Rows per second and peak memory of every stage that runs no model.
//!
//! ```text
//! cargo bench -p xldistill --bench text_stages -- --data alpaca_data.json \
//!     --dictionary en-pt.txt --reverse-dictionary pt-en.txt --model MODEL [--json FILE]
//! ```
//! Each stage reads the files of the previous one, in its own process, once with half of the rows
//! and once with all of them: memory independent of the number of rows is the same in both. The
//! first translation of each word in the dictionary stands in for a translator. Memory is what the
//! stage needed in addition to what its process held before (dictionaries, tokenizer).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use corpus::code_switch::{CodeSwitchConfig, CodeSwitchStage};
use corpus::dictionary::{BilingualDictionary, Dictionary};
use corpus::filter::{FilterConfig, FilterStage};
use corpus::language::Language;
use corpus::mix::{MixConfig, MixInputs, mix};
use corpus::progress::Silent;
use corpus::record::{Example, Instruction, Row, TextPair, Translated};
use corpus::seam::{EngineIdentity, Identification, LanguageIdentifier};
use corpus::source::{LoadOptions, load};
use corpus::stage::{Inputs, Outcome, RowStage, StageError, StageOptions, output_file, run};
use engines::whatlang::WhatlangIdentifier;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use training::fine_tune::{Encoder, TrainConfig};

const FROM: Language = Language::ENGLISH;
const TO: Language = Language::PORTUGUESE;

/// The measurements, in the order in which they read each other's files.
const MEASUREMENTS: [&str; 8] = [
    "load",
    "stage runner",
    "stage, nothing to do",
    "filter, rules",
    "filter, whatlang",
    "code_switch",
    "mix",
    "encode",
];

/// Result of a stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Measured {
    stage: String,
    rows: u64,
    seconds: f64,
    /// Peak memory in excess of what was held before the stage.
    peak_bytes: u64,
    /// Hash of the stage's output, to compare versions of the program.
    output: String,
}

/// The command line: options with a value each.
struct Options(BTreeMap<String, String>);

impl Options {
    fn read() -> Result<Options> {
        let mut options = BTreeMap::new();
        // Cargo passes --bench to every benchmark.
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").context(
                "usage: text_stages --data FILE --dictionary FILE --reverse-dictionary FILE \
                 --model PATH [--json FILE]",
            )?;
            let value = words
                .next()
                .with_context(|| format!("{word} lacks its value"))?;
            options.insert(name.to_owned(), value);
        }
        Ok(Options(options))
    }

    fn get(&self, name: &str) -> Result<&str> {
        let value = self
            .0
            .get(name)
            .with_context(|| format!("--{name} is missing"))?;
        Ok(value)
    }
}

fn main() -> Result<()> {
    let options = Options::read()?;
    if options.0.is_empty() {
        println!("nothing is measured without --data, --dictionary, --reverse-dictionary, --model");
        return Ok(());
    }
    if let Ok(stage) = options.get("stage") {
        println!("{}", serde_json::to_string(&measure(stage, &options)?)?);
        return Ok(());
    }
    let all = load(Path::new(options.get("data")?), &LoadOptions::default())?;
    let all = all.instructions.len();
    let half = measure_all(all / 2, &options)?;
    let whole = measure_all(all, &options)?;
    println!(
        "{:<22} {:>7} {:>8} {:>9} {:>12} {:>12} {:>10}",
        "stage", "rows", "seconds", "rows/s", "peak, half", "peak, all", "bytes/row"
    );
    for (half, whole) in half.iter().zip(&whole) {
        let growth = whole.peak_bytes as f64 - half.peak_bytes as f64;
        println!(
            "{:<22} {:>7} {:>8.3} {:>9.0} {:>9.1} MB {:>9.1} MB {:>10.0}",
            whole.stage,
            whole.rows,
            whole.seconds,
            whole.rows as f64 / whole.seconds,
            half.peak_bytes as f64 / 1e6,
            whole.peak_bytes as f64 / 1e6,
            growth / (whole.rows - half.rows) as f64,
        );
    }
    if let Ok(path) = options.get("json") {
        std::fs::write(path, serde_json::to_vec_pretty(&json!([half, whole]))?)?;
    }
    Ok(())
}

/// Runs every stage over the first `rows` rows, each in its own process.
fn measure_all(rows: usize, options: &Options) -> Result<Vec<Measured>> {
    let folder = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    let run = |stage: &str| -> Result<Measured> {
        let mut command = Command::new(&program);
        for (name, value) in &options.0 {
            command.args([&format!("--{name}"), value]);
        }
        command.args(["--stage", stage, "--rows", &rows.to_string()]);
        let output = command.arg("--folder").arg(folder.path()).output()?;
        if !output.status.success() {
            bail!("{stage}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    run("prepare")?;
    MEASUREMENTS.into_iter().map(run).collect()
}

/// Runs one stage in this process.
fn measure(stage: &str, options: &Options) -> Result<Measured> {
    let folder = PathBuf::from(options.get("folder")?);
    let limit: usize = options.get("rows")?.parse()?;
    let at = |name: &str| folder.join(name);
    let dictionary = || -> Result<BilingualDictionary> {
        let read =
            |name| Dictionary::load(Path::new(options.get(name)?)).map_err(anyhow::Error::from);
        Ok(BilingualDictionary::new(
            read("dictionary")?.dictionary,
            read("reverse-dictionary")?.dictionary,
        ))
    };
    let load_rows = || {
        let first = LoadOptions {
            limit: Some(limit),
            ..LoadOptions::default()
        };
        load(Path::new(options.get("data")?), &first).map_err(anyhow::Error::from)
    };
    match stage {
        "prepare" => {
            let rows = load_rows()?.instructions;
            let words = dictionary()?.source_to_target;
            run_stage(&Copy, &Inputs::rows(&rows), &at("instructions"))?;
            run_stage(
                &WordForWord { words },
                &Inputs::stage(&at("instructions"))?,
                &at("translate"),
            )?;
            timed(stage, limit, || Ok(String::new()))
        }
        "load" => timed(stage, limit, || {
            Ok(load_rows()?.instructions.len().to_string())
        }),
        "stage runner" => timed(stage, limit, || {
            run_stage(&Copy, &Inputs::stage(&at("instructions"))?, &at("copy"))
        }),
        "stage, nothing to do" => timed(stage, limit, || {
            run_stage(&Copy, &Inputs::stage(&at("instructions"))?, &at("copy"))
        }),
        "filter, rules" | "filter, whatlang" => {
            let identifier: &dyn LanguageIdentifier = match stage {
                "filter, rules" => &Abstaining,
                _ => &WhatlangIdentifier,
            };
            let filter = FilterStage::new(identifier, None, FROM, FilterConfig::default());
            timed(stage, limit, || {
                run_stage(&filter, &Inputs::stage(&at("translate"))?, &at(stage))
            })
        }
        "code_switch" => {
            let dictionaries = BTreeMap::from([(TO, dictionary()?)]);
            let switch = CodeSwitchStage::new(dictionaries, FROM, CodeSwitchConfig::default());
            timed(stage, limit, || {
                run_stage(&switch, &Inputs::stage(&at("filter, rules"))?, &at(stage))
            })
        }
        "mix" => timed(stage, limit, || {
            let inputs = MixInputs {
                rows: Inputs::stage(&at("code_switch"))?,
                source: FROM,
                pairs: &[],
                monolingual: &[],
                native: None,
                rejected: &[],
                evaluation: None,
            };
            mix(&inputs, &MixConfig::default(), &at(stage), &Silent)?;
            Ok(artefacts::hash_file(&output_file(&at(stage)))?)
        }),
        "encode" => {
            let device = burn::tensor::Device::flex();
            let model = models::LanguageModel::load(options.get("model")?, &device)?;
            let encoder = Encoder::new(&model, &TrainConfig::default())?;
            let examples: Vec<Example> = first_rows(&at("mix"), limit)?;
            timed(stage, examples.len(), || {
                let set = encoder.encode(&examples)?;
                let ids: u64 = set.examples.iter().map(|e| e.ids.len() as u64).sum();
                Ok(format!("{ids} ids"))
            })
        }
        other => bail!("there is no measurement {other:?}"),
    }
}

/// The first rows of a stage's file.
fn first_rows<T: Row>(folder: &Path, rows: usize) -> Result<Vec<T>> {
    let rows = Inputs::<T>::stage(folder)?.iter()?.take(rows);
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Runs `work`, which returns the hash of its output, and measures it.
fn timed(stage: &str, rows: usize, work: impl FnOnce() -> Result<String>) -> Result<Measured> {
    // Resets the peak to the current resident memory. If that is impossible, the peak is that of
    // the process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = kernels::resident_memory();
    let started = Instant::now();
    let output = work()?;
    Ok(Measured {
        stage: stage.to_owned(),
        rows: rows as u64,
        seconds: started.elapsed().as_secs_f64(),
        peak_bytes: kernels::peak_memory().saturating_sub(before),
        output,
    })
}

fn run_stage<S: RowStage>(
    stage: &S,
    inputs: &Inputs<'_, S::Input>,
    folder: &Path,
) -> Result<String> {
    let options = StageOptions {
        max_rejected_fraction: 1.0,
        ..StageOptions::default()
    };
    run(stage, inputs, folder, &options, &Silent)?;
    Ok(artefacts::hash_file(&output_file(folder))?)
}

/// A stage that does nothing.
struct Copy;

impl RowStage for Copy {
    type Input = Instruction;
    type Output = Instruction;

    fn name(&self) -> &'static str {
        "copy"
    }

    fn version(&self) -> u32 {
        1
    }

    fn parameters(&self) -> Value {
        json!({})
    }

    fn process(&self, rows: &[Instruction]) -> Result<Vec<Outcome<Instruction>>, StageError> {
        Ok(rows.iter().cloned().map(Outcome::kept).collect())
    }
}

/// Stands in for a translator: every word becomes its first translation.
struct WordForWord {
    words: Dictionary,
}

impl WordForWord {
    fn pair(&self, source: &str) -> TextPair {
        let mut translation = String::new();
        let mut rest = source;
        while let Some(first) = rest.chars().next() {
            let end = |alphabetic: bool| {
                rest.find(|c: char| c.is_alphabetic() != alphabetic)
                    .unwrap_or(rest.len())
            };
            let alphabetic = first.is_alphabetic();
            let (part, after) = rest.split_at(end(alphabetic));
            match self.words.translations(part).first().filter(|_| alphabetic) {
                Some(word) => translation.push_str(word),
                None => translation.push_str(part),
            }
            rest = after;
        }
        TextPair {
            source: source.to_owned(),
            translation: Some(translation),
        }
    }
}

impl RowStage for WordForWord {
    type Input = Instruction;
    type Output = Translated;

    fn name(&self) -> &'static str {
        "translate"
    }

    fn version(&self) -> u32 {
        1
    }

    fn parameters(&self) -> Value {
        json!({})
    }

    fn process(&self, rows: &[Instruction]) -> Result<Vec<Outcome<Translated>>, StageError> {
        let translate = |row: &Instruction| {
            Outcome::kept(Translated {
                id: row.id.clone(),
                target: TO,
                question: self.pair(&row.question),
                answer: self.pair(&row.answer),
                generated: Some(self.pair(&row.answer)),
            })
        };
        Ok(rows.iter().map(translate).collect())
    }
}

/// A language identifier without a model, to measure the rules alone.
struct Abstaining;

impl LanguageIdentifier for Abstaining {
    fn identity(&self) -> EngineIdentity {
        EngineIdentity {
            engine: "abstaining".into(),
            model: String::new(),
            revision: String::new(),
            parameters: String::new(),
            licence: None,
        }
    }

    fn identify(&self, _: &str) -> Identification {
        Identification::Abstained
    }
}
