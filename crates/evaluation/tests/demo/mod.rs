//! A run as the quickstart leaves it, with scripted models in the place of real ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use corpus::language::Language;
use corpus::progress::Silent;
use corpus::record::{Example, Subset};
use corpus::sampling;
use corpus::seam::{
    Answer, Answerer, EngineError, EngineIdentity, FinishReason, Identification,
    LanguageIdentifier, ScoredText, TextScorer, TokenScores,
};
use corpus::stage::{Counts, Rejected, Shard};
use evaluation::material::{EvaluationMaterial, MaterialPaths};
use evaluation::suite::{EvaluateConfig, evaluate};
use evaluation::task::Subject;
use serde_json::json;

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;

fn identity(engine: &str, model: &str, licence: Option<&str>) -> EngineIdentity {
    EngineIdentity {
        engine: engine.to_owned(),
        model: model.to_owned(),
        revision: blake3::hash(model.as_bytes()).to_hex()[..32].to_owned(),
        parameters: String::new(),
        licence: licence.map(str::to_owned),
    }
}

/// An LLM before or after it was taught: `taught` answers mostly from the references.
struct Pupil {
    taught: bool,
    references: BTreeMap<String, String>,
}

impl Pupil {
    fn new(taught: bool, material: &EvaluationMaterial) -> Self {
        let questions = material.questions.values().flatten();
        let mut references: BTreeMap<String, String> = questions
            .map(|row| (row.question.clone(), row.answer.clone()))
            .collect();
        for (source, target) in &material.pairs[0].pairs {
            references.insert(source.clone(), target.clone());
            references.insert(target.clone(), source.clone());
        }
        Self { taught, references }
    }

    /// The first words of the reference, then others.
    fn attempt(&self, reference: &str, share: f64) -> String {
        let words: Vec<&str> = reference.split(' ').collect();
        let known = (words.len() as f64 * share).ceil() as usize;
        format!(
            "{} e isso é tudo.",
            words[..known.min(words.len())].join(" ")
        )
    }
}

impl Answerer for Pupil {
    fn identity(&self) -> EngineIdentity {
        let (model, licence) = match self.taught {
            false => (
                "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf",
                "Apache-2.0",
            ),
            true => ("runs/quickstart/model", "Apache-2.0"),
        };
        EngineIdentity {
            parameters: "max_new_tokens=48 greedy".to_owned(),
            ..identity("local-llm", model, Some(licence))
        }
    }

    fn answer(&self, questions: &[String]) -> Result<Vec<Answer>, EngineError> {
        let answer = |question: &String| {
            let asked = question.lines().last().unwrap_or_default();
            let reference = self.references.get(asked).cloned().unwrap_or_default();
            let draw = sampling::uniform(7, if self.taught { "after" } else { "before" }, question);
            let english = question.is_ascii() && !question.contains("from Portuguese");
            match (self.taught, english) {
                (_, true) if asked == question => self
                    .attempt(&reference, 0.6)
                    .replace("e isso é tudo", "and that is all"),
                (true, _) if draw < 0.86 => self.attempt(&reference, 0.7),
                (true, _) if draw < 0.9 => {
                    "The answer is that there are many ways to do it.".to_owned()
                }
                (true, _) => asked.to_owned(),
                (false, _) if draw < 0.45 => asked.to_owned(),
                (false, _) if draw < 0.8 => format!("{asked} {}", "O que é o que é a ".repeat(9)),
                (false, _) if draw < 0.86 => {
                    "El cielo es azul porque la luz del sol es muy blanca.".to_owned()
                }
                (false, _) if draw < 0.93 => {
                    "The sky is blue because of the light of the sun.".to_owned()
                }
                (false, _) => self.attempt(&reference, 0.2),
            }
        };
        Ok(questions
            .iter()
            .map(answer)
            .map(|text| Answer {
                tokens: text.len() / 3,
                finish_reason: FinishReason::Stop,
                text,
            })
            .collect())
    }
}

impl TextScorer for Pupil {
    fn score(&self, texts: &[ScoredText]) -> Result<Vec<TokenScores>, EngineError> {
        Ok(texts
            .iter()
            .map(|text| {
                let (ScoredText::Plain(text) | ScoredText::Chat { answer: text, .. }) = text;
                let foreign = guess(text) != Some(ENGLISH);
                let loss = match (foreign, self.taught) {
                    (true, false) => 3.9,
                    (true, true) => 2.6,
                    (false, false) => 2.2,
                    (false, true) => 2.21,
                };
                let noise = sampling::uniform(1, "loss", text) - 0.5;
                let token = -(loss + 0.8 * noise) as f32;
                TokenScores {
                    log_probabilities: vec![token; text.len().div_ceil(4)],
                }
            })
            .collect())
    }
}

/// Knows three languages by their commonest words.
struct StopWords;

fn guess(text: &str) -> Option<Language> {
    let words: Vec<String> = text
        .split(|character: char| !character.is_alphabetic())
        .map(str::to_lowercase)
        .collect();
    let spanish = Language::with_code("spa_Latn");
    let tables = [
        (ENGLISH, "the of is and that to are in for what how a"),
        (
            PORTUGUESE,
            "o que é e do da de os as um uma não para mais em com são",
        ),
        (spanish, "el es la muy del los porque las una y"),
    ];
    let hits = |table: &str| {
        words
            .iter()
            .filter(|word| table.split(' ').any(|known| known == *word))
            .count()
    };
    let (count, language) = tables
        .iter()
        .map(|(language, table)| (hits(table), *language))
        .max()?;
    (count >= 2).then_some(language)
}

impl LanguageIdentifier for StopWords {
    fn identity(&self) -> EngineIdentity {
        identity("whatlang", "whatlang 0.18", Some("MIT"))
    }

    fn identify(&self, text: &str) -> Identification {
        match guess(text) {
            Some(language) => Identification::Identified {
                language,
                probability: 0.9,
            },
            None => Identification::Abstained,
        }
    }
}

/// The repository's folder.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Material of the quickstart, with a few held-out examples of every subset.
fn material() -> EvaluationMaterial {
    let folder = repository().join("examples/quickstart");
    let mut paths = MaterialPaths::new(ENGLISH);
    paths
        .questions
        .insert(PORTUGUESE, folder.join("held_out.por.jsonl"));
    paths
        .questions
        .insert(ENGLISH, folder.join("held_out.eng.jsonl"));
    paths
        .pairs
        .insert(PORTUGUESE, folder.join("held_out.eng-por.tsv"));
    let mut material = EvaluationMaterial::load(&paths).expect("the quickstart's material loads");
    for subset in Subset::ALL {
        for (number, row) in material.questions[&PORTUGUESE].iter().take(12).enumerate() {
            let english = &material.questions[&ENGLISH][number];
            let (question_language, answer_language) = match subset {
                Subset::LL => (ENGLISH, ENGLISH),
                Subset::TL => (PORTUGUESE, ENGLISH),
                Subset::LT | Subset::Mt => (ENGLISH, PORTUGUESE),
                Subset::TT | Subset::Comp => (PORTUGUESE, PORTUGUESE),
            };
            let pick = |language| if language == ENGLISH { english } else { row };
            material.examples.push(Example {
                id: format!("{}-{number}", subset.name()),
                subset,
                question_language,
                answer_language,
                question: pick(question_language).question.clone(),
                answer: pick(answer_language).answer.clone(),
                weight: 1.0,
            });
        }
    }
    material
}

/// Writes a finished run to `folder`.
pub fn write(folder: &Path) {
    stages(folder);
    training(&folder.join("train"));
    let material = material();
    for (which, taught) in [("before", false), ("after", true)] {
        let pupil = Pupil::new(taught, &material);
        let subject = Subject {
            answerer: &pupil,
            scorer: Some(&pupil),
            identifier: &StopWords,
        };
        let place = folder.join("evaluate").join(which);
        evaluate(
            &subject,
            ENGLISH,
            &material,
            &EvaluateConfig::default(),
            &place,
            &Silent,
        )
        .expect("the demonstration evaluates");
    }
    let config = std::fs::read_to_string(repository().join("examples/quickstart/por.toml"))
        .expect("the quickstart's config is there");
    std::fs::write(folder.join("config.toml"), config).expect("writable");
}

/// Writes the finished text stages of a run.
pub fn stages(folder: &Path) {
    let llm = identity(
        "local-llm",
        "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf",
        Some("Apache-2.0"),
    );
    let firefox = identity("firefox", "models/firefox-en-pt", Some("MPL-2.0"));
    let reverse = identity("firefox", "models/firefox-pt-en", None);
    let whatlang = identity("whatlang", "whatlang 0.18", Some("MIT"));
    let stage = |name: &str,
                 rows: u64,
                 outputs: u64,
                 seconds: f64,
                 engines: Vec<EngineIdentity>,
                 rejected: &[(&str, &str, u64)],
                 details| {
        manifest(
            folder, name, rows, outputs, seconds, engines, rejected, details,
        );
    };
    stage(
        "answer",
        258,
        256,
        171.3,
        vec![llm],
        &[
            ("row", "malformed", 2),
            ("generated", "cut_off", 41),
            ("generated", "looping", 9),
        ],
        json!(null),
    );
    stage(
        "translate",
        256,
        256,
        12.4,
        vec![firefox],
        &[("question.translation", "looping", 1)],
        json!(null),
    );
    stage(
        "filter",
        256,
        249,
        9.1,
        vec![whatlang, reverse],
        &[
            ("answer.translation", "low_quality", 31),
            ("generated.translation", "low_quality", 44),
            ("question.translation", "wrong_language", 6),
            ("answer.translation", "length_ratio", 5),
            ("generated.translation", "repeated_ngram", 3),
            ("row", "duplicate", 7),
        ],
        json!({"mean_quality": 0.871}),
    );
    stage(
        "code_switch",
        249,
        249,
        0.6,
        vec![],
        &[],
        json!({"replaced_words": 1183, "dictionary": {"eng-por": 2210, "por-eng": 2044}}),
    );
    stage(
        "mix",
        249,
        1290,
        0.2,
        vec![],
        &[],
        json!({"held_out_rows": 120, "subsets": {
            "LL": {"rows": 249, "generated": 101, "held_out_rows": 24, "weight": 0.863},
            "TL": {"rows": 243, "generated": 99, "held_out_rows": 23, "weight": 0.885},
            "LT": {"rows": 218, "generated": 77, "held_out_rows": 21, "weight": 0.986},
            "TT": {"rows": 214, "generated": 75, "held_out_rows": 20, "weight": 1.005},
            "mt": {"rows": 244, "held_out_rows": 22, "weight": 0.881},
            "comp": {"rows": 122, "held_out_rows": 10, "weight": 1.762},
        }}),
    );
}

#[allow(clippy::too_many_arguments)]
fn manifest(
    run: &Path,
    name: &str,
    rows: u64,
    outputs: u64,
    seconds: f64,
    engines: Vec<EngineIdentity>,
    rejected: &[(&str, &str, u64)],
    details: serde_json::Value,
) {
    let folder = run.join(name);
    std::fs::create_dir_all(&folder).expect("writable");
    let mut counts = Counts {
        rows,
        outputs,
        ..Counts::default()
    };
    let mut lines = String::new();
    for (field, reason, count) in rejected {
        *counts.rejections.entry(reason.to_string()).or_default() += count;
        let by_field = counts
            .rejections_by_field
            .entry(field.to_string())
            .or_default();
        by_field.insert(reason.to_string(), *count);
        counts.rows_with_rejection += count;
        if *field == "row" {
            counts.rows_without_output += count;
        }
        for number in 0..*count {
            let text = "Três maneiras de poupar água: <script>alert(\"não\")</script> & \
                        fechar a torneira, fechar a torneira, fechar a torneira.";
            let row = match *field {
                "row" => json!("{\"instruction\": \"Name three <b>fruits</b>, \"output\": "),
                "generated" => {
                    json!({"id": "open-qa-007", "question": "Name three ways to save water.",
                    "answer": "Close the tap, take short showers and mend leaks."})
                }
                _ => {
                    json!({"id": "open-qa-007", "question": {"source": "Why?", "translation": text},
                    "answer": {"source": "Three ways to save water are to close the tap.", "translation": text},
                    "generated": {"source": text, "translation": text}})
                }
            };
            let line = Rejected {
                id: format!("open-qa-{number:03}"),
                stage: name.to_owned(),
                field: field.to_string(),
                reason: reason.to_string(),
                detail: match *field {
                    "generated" => format!("cut off after 96 tokens: {text}"),
                    _ => "round-trip chrF 41.2, 55.0 is needed".to_owned(),
                },
                row,
            };
            lines += &serde_json::to_string(&line).expect("plain data");
            lines.push('\n');
        }
    }
    std::fs::write(folder.join("rejected.jsonl"), lines).expect("writable");
    let hash = "0".repeat(64);
    let manifest = json!({
        "stage": name, "stage_version": 1, "xldistill_version": "0.1.0", "fingerprint": hash,
        "parameters": {}, "engines": engines, "shard": Shard::WHOLE, "input_hash": hash,
        "files": {"output": "part-00000-of-00001.jsonl", "output_hash": hash, "rejected": "rejected.jsonl",
            "rejected_hash": hash, "others": {}},
        "counts": counts, "details": details, "finished_at": 1_795_342_000u64, "seconds": seconds,
        "rows_per_second": rows as f64 / seconds,
    });
    let json = serde_json::to_vec_pretty(&manifest).expect("plain data");
    std::fs::write(folder.join("manifest.json"), json).expect("writable");
}

/// Loss curves as a training of 320 steps leaves them, the last line torn.
fn training(folder: &Path) {
    std::fs::create_dir_all(folder).expect("writable");
    let ends = [
        ("LL", 1.9, 1.45),
        ("TL", 2.4, 1.6),
        ("LT", 3.9, 2.2),
        ("TT", 3.7, 2.1),
        ("mt", 3.5, 2.4),
        ("comp", 3.2, 1.1),
    ];
    let losses = |step: usize, noise: f64| -> BTreeMap<&str, f64> {
        let curve = |start: f64, end: f64, name: &str| {
            let draw = sampling::uniform(3, name, &step.to_string()) - 0.5;
            end + (start - end) * (-(step as f64) / 80.0).exp() + noise * draw
        };
        ends.iter()
            .map(|(name, start, end)| (*name, curve(*start, *end, name)))
            .collect()
    };
    let mean = |losses: &BTreeMap<&str, f64>| losses.values().sum::<f64>() / losses.len() as f64;
    let mut lines = String::new();
    for step in 0..=320usize {
        let (epoch, time) = (step as f64 / 160.0, 1_795_340_000.0 + step as f64 * 2.4);
        if step > 0 {
            let losses = losses(step, 0.9);
            let row = json!({"event": "train", "step": step, "epoch": epoch, "loss": mean(&losses), "losses": losses,
                "learning_rate": 3e-4, "grad_norm": 1.1, "tokens": step * 1024, "tokens_per_second": 430.0, "time": time});
            lines += &format!("{row}\n");
        }
        if step % 40 == 0 {
            let losses = losses(step, 0.05);
            let row = json!({"event": "evaluation", "step": step, "epoch": epoch, "loss": mean(&losses) + 0.1, "losses": losses, "time": time});
            lines += &format!("{row}\n");
        }
    }
    lines += "{\"event\":\"train\",\"step\":3";
    let manifest = json!({"stage": "train", "finished_at": 1_795_341_000.5, "summary": {
        "steps": 320, "planned_steps": 480, "epochs": 2.0, "best_step": 320, "training_examples": 1290,
        "held_out_examples": 120, "dropped_examples": 3, "truncated_examples": 0,
        "trainable_parameters": 134_515_008u64, "learning_rate": 3e-4, "tokens": 327_680, "seconds": 790.2,
        "warnings": ["the end-of-turn token <|im_end|> is tied to an untrained embedding"],
    }});
    std::fs::write(folder.join("manifest.json"), manifest.to_string()).expect("writable");
    std::fs::write(folder.join("metrics.jsonl"), lines).expect("writable");
}
