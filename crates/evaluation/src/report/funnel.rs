//! Rows that each stage read, kept and rejected, with examples of the latter.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use corpus::seam::EngineIdentity;
use corpus::stage::{self, Manifest, Rejected, RowResults};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Timing;

/// Number of examples of each reason.
const EXAMPLES: usize = 2;
/// Maximum length of a rejected text, in characters; the rest is cut.
const SHOWN: usize = 400;

/// One stage of the text pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunnelStage {
    /// Name of the stage.
    pub stage: String,
    /// Number of input rows, including malformed ones.
    pub rows: u64,
    /// Number of output rows.
    pub outputs: u64,
    /// Number of rows without output, including malformed ones.
    pub dropped: u64,
    /// Number of rows that lost at least one text.
    pub reduced: u64,
    /// Rejections by reason, the most frequent first.
    pub reasons: Vec<Reason>,
    /// Details of the stage.
    #[serde(default)]
    pub details: Value,
    /// The engines used.
    pub engines: Vec<EngineIdentity>,
    /// Seconds of work.
    pub seconds: f64,
    /// Input rows per second.
    pub rows_per_second: f64,
    /// When it ended, in seconds since 1970.
    pub finished_at: u64,
}

/// A reason for rejections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The reason, in `snake_case`.
    pub reason: String,
    /// Number of rejections.
    pub count: u64,
    /// Number of rejections by field.
    pub fields: BTreeMap<String, u64>,
    /// The first ones.
    pub examples: Vec<RejectedExample>,
}

/// A rejected text and its context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RejectedExample {
    /// Identifier of its row.
    pub id: String,
    /// The rejected field.
    pub field: String,
    /// The fault.
    pub detail: String,
    /// The texts by name, shortened: a translation with its source, or the fields of the row.
    pub texts: Vec<(String, String)>,
}

impl FunnelStage {
    pub(super) fn timing(&self) -> Timing {
        Timing {
            part: self.stage.clone(),
            seconds: self.seconds,
            amount: self.rows as f64,
            unit: "rows".to_owned(),
        }
    }
}

/// The stages of native text, which a run may lack.
const OF_NATIVE_TEXT: [&str; 3] = ["passages", "instruct", "native"];

/// The finished stages of the run, in order.
pub(super) fn gather(run: &Path) -> Vec<FunnelStage> {
    let Ok(entries) = std::fs::read_dir(run) else {
        return Vec::new();
    };
    let mut stages: Vec<FunnelStage> = entries
        .flatten()
        .filter_map(|entry| {
            let folder = entry.path();
            Some(stage(&folder, stage::manifest(&folder).ok()?))
        })
        .collect();
    // What an earlier config asked for is no part of the run that is reported.
    let mix = stage::manifest(&run.join("mix")).ok();
    if mix.is_some_and(|mix| !mix.provenance.inputs.contains_key("native")) {
        stages.retain(|stage| !OF_NATIVE_TEXT.contains(&stage.stage.as_str()));
    }
    let order = [
        "answer",
        "translate",
        "filter",
        "code_switch",
        "passages",
        "instruct",
        "native",
        "mix",
    ];
    stages.sort_by_key(|stage| {
        let position = order.iter().position(|name| *name == stage.stage);
        (
            position.unwrap_or(order.len()),
            stage.finished_at,
            stage.stage.clone(),
        )
    });
    stages
}

fn stage(folder: &Path, manifest: Manifest) -> FunnelStage {
    let RowResults {
        counts,
        details,
        rows_per_second,
        ..
    } = manifest.results;
    let mut reasons: BTreeMap<String, Reason> = counts
        .rejections
        .iter()
        .map(|(reason, &count)| {
            let fields = counts
                .rejections_by_field
                .iter()
                .filter_map(|(field, reasons)| Some((field.clone(), *reasons.get(reason)?)))
                .collect();
            let entry = Reason {
                reason: reason.clone(),
                count,
                fields,
                examples: Vec::new(),
            };
            (reason.clone(), entry)
        })
        .collect();
    collect_examples(&stage::rejected_file(folder), &mut reasons);
    let mut reasons: Vec<Reason> = reasons.into_values().collect();
    reasons.sort_by(|one, other| (other.count, &one.reason).cmp(&(one.count, &other.reason)));
    FunnelStage {
        stage: manifest.provenance.stage,
        rows: counts.rows + counts.rejected_at_source,
        outputs: counts.outputs,
        dropped: counts.rows_without_output + counts.rejected_at_source,
        reduced: counts
            .rows_with_rejection
            .saturating_sub(counts.rows_without_output),
        reasons,
        details,
        engines: manifest.provenance.engines,
        seconds: manifest.seconds,
        rows_per_second,
        finished_at: manifest.finished_at as u64,
    }
}

/// The first rejections of each reason; reads only as much as necessary.
fn collect_examples(path: &Path, reasons: &mut BTreeMap<String, Reason>) {
    let Ok(file) = std::fs::File::open(path) else {
        return;
    };
    let mut missing: u64 = reasons
        .values()
        .map(|reason| reason.count.min(EXAMPLES as u64))
        .sum();
    for line in BufReader::new(file).lines().map_while(Result::ok) {
        if missing == 0 {
            return;
        }
        let Ok(rejected) = serde_json::from_str::<Rejected>(&line) else {
            continue;
        };
        let Some(reason) = reasons.get_mut(&rejected.reason) else {
            continue;
        };
        if reason.examples.len() < EXAMPLES {
            missing -= 1;
            reason.examples.push(RejectedExample {
                texts: texts_of(&rejected.field, &rejected.row),
                id: rejected.id,
                field: rejected.field,
                detail: cut(&rejected.detail),
            });
        }
    }
}

/// A rejected translation with its source, a raw line, or the row's own texts.
fn texts_of(field: &str, row: &Value) -> Vec<(String, String)> {
    let pair = field
        .strip_suffix(".translation")
        .and_then(|name| row.get(name));
    let texts = match (pair, row) {
        (Some(Value::Object(texts)), _) | (_, Value::Object(texts)) => texts,
        (_, Value::String(line)) => return vec![("line".to_owned(), cut(line))],
        (_, other) => return vec![("row".to_owned(), cut(&other.to_string()))],
    };
    texts
        .iter()
        .filter(|(name, _)| *name != "id")
        .filter_map(|(name, text)| Some((name.clone(), cut(text.as_str()?))))
        .collect()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
