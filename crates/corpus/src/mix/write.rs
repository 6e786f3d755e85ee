//! Weighs the transfer set and writes it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::config::MixConfig;
use super::{MixInputs, Mixed, TransferSet, sampling};
use crate::decontamination::EvaluationIndex;
use crate::record::{Example, Subset};
use crate::stage::{
    AtomicFile, Counts, Files, Lock, Manifest, Names, Shard, StageError, atomic, is_intact,
    seconds_since_1970,
};

/// The held-out part of the transfer set, beside the output file.
pub const HELD_OUT_FILE: &str = "held_out.jsonl";

/// Raised when the same inputs and config give another transfer set.
const VERSION: u32 = 2;

/// What the manifest's details say of a subset of the training part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SubsetSummary {
    /// |D_d|.
    pub rows: u64,
    /// Of these, how many answers are the LLM's own.
    pub generated: u64,
    /// Rows of the subset that are held out.
    pub held_out_rows: u64,
    /// Characters of all questions.
    pub question_characters: u64,
    /// Characters of all answers.
    pub answer_characters: u64,
    /// w_d = N / (|U|·|D_d|).
    pub weight: f64,
}

/// Where the transfer set goes; the folder is locked as long as this lives.
pub(super) struct Target<'a> {
    folder: &'a Path,
    names: Names,
    config: &'a MixConfig,
    rows: u64,
    evaluation_texts: u64,
    parameters: Value,
    fingerprint: String,
    input_hash: String,
    _lock: Lock,
}

impl<'a> Target<'a> {
    pub fn open(
        inputs: &MixInputs<'_>,
        config: &'a MixConfig,
        folder: &'a Path,
    ) -> Result<Target<'a>, StageError> {
        std::fs::create_dir_all(folder).map_err(StageError::io("create", folder))?;
        let lock = Lock::take(folder, Shard::WHOLE)?;
        let parameters = json!({ "source": inputs.source, "config": config });
        let identity = json!(["mix", VERSION, parameters]).to_string();
        Ok(Target {
            folder,
            names: Names::new(folder, Shard::WHOLE),
            config,
            rows: inputs.rows.len(),
            evaluation_texts: inputs.evaluation.map_or(0, EvaluationIndex::len),
            parameters,
            fingerprint: blake3::hash(identity.as_bytes()).to_hex().to_string(),
            input_hash: input_hash(inputs)?,
            _lock: lock,
        })
    }

    /// The manifest of an earlier run with the same inputs and config.
    pub fn unchanged(&self) -> Option<Manifest> {
        let manifest = Manifest::read(self.folder).ok()?;
        let same = manifest.fingerprint == self.fingerprint
            && manifest.input_hash == self.input_hash
            && is_intact(self.folder, &manifest);
        same.then_some(manifest)
    }

    /// Writes all files, the manifest last.
    pub fn write(self, set: TransferSet, started: Instant) -> Result<Manifest, StageError> {
        let TransferSet {
            examples,
            rejected,
            contaminated_rows,
        } = set;
        let (mut train, mut held_out, mut subsets) = (Vec::new(), Vec::new(), BTreeMap::new());
        for Mixed {
            example,
            held_out: is_held_out,
            generated,
        } in examples
        {
            let summary: &mut SubsetSummary = subsets.entry(example.subset).or_default();
            if is_held_out {
                summary.held_out_rows += 1;
                held_out.push(example);
                continue;
            }
            summary.rows += 1;
            summary.generated += u64::from(generated);
            summary.question_characters += example.question.chars().count() as u64;
            summary.answer_characters += example.answer.chars().count() as u64;
            train.push(example);
        }
        if train.is_empty() {
            let why = "no row has what the wanted subsets need, or all are held out".into();
            return Err(StageError::Empty { stage: "mix", why });
        }
        weigh(&mut train);
        weigh(&mut held_out);
        for (subset, summary) in &mut subsets {
            let example = train.iter().find(|example| example.subset == *subset);
            summary.weight = example.map_or(0.0, |example| example.weight);
        }

        atomic::remove(&self.names.manifest)?;
        let (outputs, held_out_rows) = (train.len() as u64, held_out.len());
        let output_hash = self.write_shuffled(&self.names.output, train)?;
        let held_out_hash = self.write_shuffled(&self.folder.join(HELD_OUT_FILE), held_out)?;
        let mut counts = Counts {
            rows: self.rows,
            outputs,
            rows_without_output: contaminated_rows,
            rows_with_rejection: contaminated_rows,
            ..Counts::default()
        };
        let mut file = AtomicFile::create(&self.names.rejected)?;
        for row in &rejected {
            counts.rejected_at_source += u64::from(row.stage != "mix");
            counts.count_rejection(&row.field, &row.reason);
            file.write(&line(row)?)?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let by_name = |(subset, summary): (Subset, SubsetSummary)| (subset.name(), summary);
        let subsets: BTreeMap<_, _> = subsets.into_iter().map(by_name).collect();
        let manifest = Manifest {
            stage: "mix".into(),
            stage_version: VERSION,
            xldistill_version: env!("CARGO_PKG_VERSION").into(),
            fingerprint: self.fingerprint,
            parameters: self.parameters,
            engines: Vec::new(),
            shard: Shard::WHOLE,
            input_hash: self.input_hash,
            files: Files {
                output_hash,
                rejected_hash: file.commit()?,
                others: BTreeMap::from([(HELD_OUT_FILE.to_owned(), held_out_hash)]),
                ..Files::of(&self.names)
            },
            counts,
            details: json!({
                "subsets": subsets,
                "held_out_rows": held_out_rows,
                "evaluation_texts": self.evaluation_texts,
            }),
            finished_at: seconds_since_1970(),
            seconds,
            rows_per_second: self.rows as f64 / seconds.max(1e-6),
        };
        manifest.write(&self.names.manifest)?;
        atomic::sync_folder(self.folder);
        Ok(manifest)
    }

    fn write_shuffled(&self, path: &Path, examples: Vec<Example>) -> Result<String, StageError> {
        let key = |example: &Example| sampling::shuffle_key(self.config.seed, "order", &example.id);
        let mut keyed: Vec<(u64, Example)> = examples
            .into_par_iter()
            .map(|example| (key(&example), example))
            .collect();
        keyed.par_sort_unstable_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.id.cmp(&y.id)));
        let mut file = AtomicFile::create(path)?;
        for some in keyed.chunks(1 << 14) {
            let lines = some
                .par_iter()
                .with_min_len(256)
                .map(|(_, example)| line(example));
            for line in lines.collect::<Result<Vec<_>, _>>()? {
                file.write(&line)?;
            }
        }
        file.commit()
    }
}

/// Gives every example of subset d the weight w_d = N / (|U|·|D_d|) (section 3.2.5), where U are
/// the subsets that have examples: the mean over all examples of weight times loss is then
/// 1/|U| · Σ_d 1/|D_d| Σ loss, the paper's loss up to the constant |U|.
fn weigh(examples: &mut [Example]) {
    let mut sizes: BTreeMap<Subset, usize> = BTreeMap::new();
    for example in examples.iter() {
        *sizes.entry(example.subset).or_default() += 1;
    }
    let total = examples.len() as f64;
    for example in examples {
        let subsets = sizes.len() as f64;
        example.weight = total / (subsets * sizes[&example.subset] as f64);
    }
}

fn line(value: &impl Serialize) -> Result<Vec<u8>, StageError> {
    let line = serde_json::to_vec(value);
    let mut line = line.map_err(|error| StageError::Options(format!("mix: {error}")))?;
    line.push(b'\n');
    Ok(line)
}

fn input_hash(inputs: &MixInputs<'_>) -> Result<String, StageError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(inputs.rows.content_hash()?.as_bytes());
    let mut add = |text: &str| {
        hasher
            .update(&(text.len() as u64).to_le_bytes())
            .update(text.as_bytes());
    };
    for corpus in inputs.pairs {
        add(corpus.target.code());
        for (source, target) in &corpus.pairs {
            add(source);
            add(target);
        }
    }
    for text in inputs.monolingual {
        add(text.target.code());
        text.sentences.iter().for_each(|sentence| add(sentence));
    }
    for row in inputs.rejected {
        add(&row.id);
        add(&row.reason);
    }
    if let Some(evaluation) = inputs.evaluation {
        add(&evaluation.content_hash());
    }
    Ok(hasher.finalize().to_hex().to_string())
}
