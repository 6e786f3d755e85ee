//! Saved outputs that are scored again: a change of the scoring asks no model.

use std::sync::Mutex;

use corpus::seam::{
    Answer, Answerer, EngineError, EngineIdentity, Request, TextScorer, TokenScores,
};
use serde_json::Value;

use super::earlier::Earlier;
use super::plan::Planned;
use super::read_samples;
use crate::results::Results;
use crate::task::{Sample, Subject, Task};

/// A model that is known by its saved outputs alone, to score them again: it has the identity of the
/// model that wrote them, and can neither answer nor score.
#[derive(Debug)]
pub struct Absent {
    identity: EngineIdentity,
}

impl Absent {
    /// The model of `results`.
    pub fn of(results: &Results) -> Self {
        let identity = results.xldistill.model.clone();
        Self { identity }
    }

    fn error(&self) -> EngineError {
        let message = format!(
            "its outputs were made for {OTHERS}, so they cannot be scored again: evaluate without \
             --rescore"
        );
        EngineError::new(&self.identity.engine, message)
    }
}

impl Answerer for Absent {
    fn identity(&self) -> EngineIdentity {
        self.identity.clone()
    }

    fn answer(&self, _: &[Request]) -> Result<Vec<Answer>, EngineError> {
        Err(self.error())
    }
}

impl TextScorer for Absent {
    fn score(&self, _: &[Request]) -> Result<Vec<Vec<TokenScores>>, EngineError> {
        Err(self.error())
    }
}

/// Gives saved answers in their order.
struct Replay {
    identity: EngineIdentity,
    answers: Mutex<std::vec::IntoIter<Answer>>,
}

impl Answerer for Replay {
    fn identity(&self) -> EngineIdentity {
        self.identity.clone()
    }

    fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
        let mut answers = self
            .answers
            .lock()
            .expect("nothing panics while it is held");
        Ok(answers.by_ref().take(requests.len()).collect())
    }
}

/// Samples of a task scored anew from outputs in `earlier` results, and the seconds that the outputs
/// took. `None` if there are none that the same model would write to the same questions.
pub fn scored_again(
    planned: &Planned<'_>,
    subject: &Subject<'_>,
    batch_size: usize,
    earlier: &Earlier,
) -> Option<(Vec<Sample>, f64)> {
    let task = planned.task;
    let identity = subject.answerer.identity();
    let name = task.name();
    earlier.all().find_map(|(folder, results)| {
        let record = results.xldistill.tasks.get(&name)?;
        let versions = task.asks_since_version()..=task.version();
        let asked_the_same = results.xldistill.model.key() == identity.key()
            && results.config.get("batch_size").and_then(Value::as_u64) == Some(batch_size as u64)
            && versions.contains(results.versions.get(&name)?)
            && asking(task, results.configs.get(&name)?) == asking(task, &task.configuration());
        if !asked_the_same {
            return None;
        }
        let path = folder.join(Results::samples_file(&name));
        let samples = read_samples(&path);
        let same = |(index, sample): (usize, &Sample)| sample.doc == task.document(index).0;
        if samples.len() != task.len() || !samples.iter().enumerate().all(same) {
            return None;
        }
        let answers: Vec<Answer> = samples.iter().map(Sample::answer).collect::<Option<_>>()?;
        let replay = Replay {
            identity: identity.clone(),
            answers: Mutex::new(answers.into_iter()),
        };
        let subject = Subject {
            answerer: &replay,
            scorer: None,
            ..*subject
        };
        // A task that needs more than its answers fails here, and is evaluated.
        let again = task.evaluate(&subject, 0..task.len()).ok()?;
        let own = record.outputs.as_ref();
        let (key, seconds) = match own {
            Some(own) => (&own.key, own.seconds),
            None => (&record.key, record.seconds),
        };
        let hash = artefacts::hash_file(&path).ok()?;
        let intact = record.is_of(&hash);
        // A kill between the samples and their results leaves what is to be written.
        let written = *key != planned.outputs && again == samples;
        (intact || written).then_some((again, seconds))
    })
}

/// What is wrong with the outputs of a task in `earlier` results, if they cannot be scored again.
pub fn fault(planned: &Planned<'_>, earlier: &Earlier) -> String {
    let name = planned.task.name();
    let saved = earlier.all().find_map(|(folder, results)| {
        let record = results.xldistill.tasks.get(&name)?;
        Some((folder.join(Results::samples_file(&name)), record))
    });
    let Some((path, record)) = saved else {
        return "there are no saved outputs".to_owned();
    };
    let shown = path.display();
    match artefacts::hash_file(&path) {
        Err(error) => format!("its saved outputs cannot be read ({error})"),
        Ok(hash) if !record.is_of(&hash) => {
            format!("its saved outputs, {shown}, have changed since they were written")
        }
        Ok(_) => format!("its saved outputs, {shown}, were made for {OTHERS}"),
    }
}

/// Why the outputs of an absent model are not those that are asked for.
const OTHERS: &str = "other documents or settings";

/// The part of a task's configuration that says what the model is asked.
fn asking(task: &dyn Task, configuration: &Value) -> Value {
    let mut asking = configuration.clone();
    if let Some(keys) = asking.as_object_mut() {
        keys.retain(|key, _| !task.scoring().contains(&key.as_str()));
    }
    asking
}
