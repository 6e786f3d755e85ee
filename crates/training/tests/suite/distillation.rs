//! Distillation from a teacher: against PyTorch (`reference/training/distillation.py`), and in whole
//! runs.

use std::fs;
use std::path::Path;

use artefacts::Provenance;
use artefacts::training::Metric;
use burn::module::Module;
use burn::tensor::Device;
use corpus::progress::Silent;
use corpus::record::{Example, Subset};
use models::checkpoint::Checkpoint;
use models::huggingface::SafetensorsCheckpoint;
use models::{LanguageModel, Network};
use serde::Deserialize;
use training::fine_tune::{Batch, Encoded, Method, SupervisedSet, Taught, TrainConfig, prepare};

use crate::resume::{a_killed_run_ends_as_an_undisturbed_one, ten_steps, train_on};
use crate::tiny;

#[derive(Deserialize)]
struct Record {
    top_k: usize,
    share: f64,
    loss: f64,
    examples: Vec<ExampleRecord>,
}

#[derive(Deserialize)]
struct ExampleRecord {
    subset: Subset,
    prompt: Vec<u32>,
    answer: Vec<u32>,
    teacher_prompt: Option<Vec<u32>>,
    cross_entropy: f64,
    divergence: Option<f64>,
    #[serde(default)]
    best: Vec<Vec<u32>>,
    #[serde(default)]
    log_probabilities: Vec<Vec<f32>>,
}

impl Record {
    fn read() -> Record {
        let text = fs::read_to_string(tiny::reference().join("distillation.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn examples(&self) -> Vec<Encoded> {
        let example = |record: &ExampleRecord| Encoded {
            id: String::new(),
            subset: record.subset,
            ids: [record.prompt.as_slice(), &record.answer].concat(),
            answer_start: record.prompt.len(),
            teacher_prompt: record.teacher_prompt.clone(),
        };
        self.examples.iter().map(example).collect()
    }

    fn config(&self) -> TrainConfig {
        TrainConfig {
            distil_share: self.share,
            distil_top_k: self.top_k,
            // Two or three sequences a pass of the teacher.
            tokens_per_batch: 40,
            ..TrainConfig::default()
        }
    }

    fn taught(&self, folder: &Path) -> Taught {
        let provenance = Provenance {
            stage: "teacher".into(),
            version: 1,
            parameters: serde_json::Value::Null,
            engines: Vec::new(),
            inputs: Default::default(),
        };
        let teacher = tiny::model().network;
        let (examples, config) = (self.examples(), self.config());
        let sets = [examples.as_slice()];
        let made = Taught::make(&teacher, sets, &config, &provenance, folder, &Silent);
        let [taught] = made.unwrap();
        taught
    }
}

/// The model of `reference/training/student`.
fn student(folder: &Path) -> Network {
    let copy = |from: &str, to: &str| {
        fs::copy(tiny::reference().join(from), folder.join(to)).unwrap();
    };
    for entry in fs::read_dir(tiny::reference().join("tiny")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        copy(&format!("tiny/{name}"), &name);
    }
    copy("student/model.safetensors", "model.safetensors");
    LanguageModel::load(folder, &Device::flex())
        .unwrap()
        .network
}

#[test]
fn the_teachers_best_tokens_are_those_of_pytorch() {
    let (record, folder) = (Record::read(), tempfile::tempdir().unwrap());
    let (taught, examples) = (record.taught(folder.path()), record.examples());
    for (index, (expected, example)) in record.examples.iter().zip(&examples).enumerate() {
        assert_eq!(taught.teaches(index), expected.teacher_prompt.is_some());
        let batch = Batch::new(&[example], true, |_| 1.0);
        let teacher = taught.of_batch(&batch, &[index], |_| 0.5).unwrap();
        assert_eq!(teacher.tokens, expected.best.concat());
        let found = teacher.log_probabilities.iter();
        for (found, expected) in found.zip(expected.log_probabilities.concat()) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        if taught.teaches(index) {
            let answer = example.answer_start - 1..example.input_tokens();
            assert_eq!(teacher.rows, answer.collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_loss_and_every_gradient_are_those_of_pytorch() {
    let (record, folder) = (Record::read(), tempfile::tempdir().unwrap());
    let config = record.config();
    let taught = record.taught(&folder.path().join("teacher"));
    let set = SupervisedSet::new(record.examples(), &config).taught(Some(taught));
    let network = prepare(student(folder.path()), &config).unwrap();
    let gradients = SafetensorsCheckpoint::open(&tiny::reference().join("student_gradients"));
    let expected = gradients.unwrap();
    // At once, in parts and one by one: the order in a pass does not matter.
    for plan in [vec![vec![4, 2, 0, 1, 3]], vec![vec![3, 1], vec![0, 4, 2]]] {
        let step = tiny::gradients(&network, &set, &plan);
        assert!(
            (step.loss - record.loss).abs() < 1e-5,
            "{} {}",
            step.loss,
            record.loss
        );
        for name in expected.names() {
            let shape = expected.shape(&name).unwrap();
            let values = expected.tensor(&name, shape).unwrap();
            let found = step.gradients.get(&name).unwrap().clone().into_data();
            let found: Vec<f32> = found.iter::<f32>().collect();
            assert_eq!(found.len(), values.len(), "{name}");
            for (found, expected) in found.iter().zip(&values) {
                assert!(
                    (found - expected).abs() < 1e-4,
                    "{name}: {found} {expected}"
                );
            }
        }
    }
    let mean = |of: &dyn Fn(&ExampleRecord) -> Option<f64>, subset| {
        let examples = record.examples.iter().filter(|e| e.subset == subset);
        let values: Vec<f64> = examples.filter_map(of).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let held_out = set.held_out_loss(&network.valid()).unwrap().unwrap();
    assert!((held_out.loss - record.loss).abs() < 1e-5, "{held_out:?}");
    for (name, expected) in [
        ("TL", mean(&|e| Some(e.cross_entropy), Subset::TL)),
        ("TL.divergence", mean(&|e| e.divergence, Subset::TL)),
        ("LL.divergence", mean(&|e| e.divergence, Subset::LL)),
    ] {
        let found = held_out.losses[name];
        assert!(
            (found - expected).abs() < 1e-4,
            "{name}: {found} {expected}"
        );
    }
    assert!(!held_out.losses.contains_key("TT.divergence"));
}

/// The examples of the tiny model, of which those of LL are taught through another question.
fn examples() -> Vec<Example> {
    let mut examples = tiny::examples();
    for example in &mut examples {
        if example.subset != Subset::Mt {
            example.teacher_question = Some("what is the name of a city ?".to_owned());
        }
    }
    examples
}

fn distilled(method: Method) -> TrainConfig {
    TrainConfig {
        distil_share: 1.0,
        distil_top_k: 4,
        ..ten_steps(method)
    }
}

#[test]
fn a_killed_run_with_a_teacher_ends_as_an_undisturbed_one() {
    for method in [Method::Full, Method::Lora] {
        a_killed_run_ends_as_an_undisturbed_one(&examples(), distilled(method));
    }
}

#[test]
fn the_student_stays_nearer_to_its_teacher_which_is_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let taught = distilled(Method::Full);
    train_on(&examples(), folder.path(), &taught, &Silent).unwrap();
    let manifest = folder.path().join("teacher/manifest.json");
    let made = fs::read(&manifest).unwrap();
    let divergence = || {
        let metrics = Metric::read_all(&folder.path().join("train")).unwrap();
        let last = metrics.iter().rev().find_map(|metric| match metric {
            Metric::Train { losses, .. } => losses.get("TT.divergence").copied(),
            Metric::Evaluation { .. } => None,
        });
        last.unwrap()
    };
    let with_teacher = divergence();

    // Another training from the same model and data, which learns the given answers.
    fs::remove_dir_all(folder.path().join("train")).unwrap();
    let untaught = TrainConfig {
        distil_share: 0.0,
        ..taught
    };
    train_on(&examples(), folder.path(), &untaught, &Silent).unwrap();
    assert!(
        fs::read(&manifest).unwrap() == made,
        "the teacher was asked again"
    );
    let without = divergence();
    assert!(with_teacher < 0.5 * without, "{with_teacher} {without}");
}
