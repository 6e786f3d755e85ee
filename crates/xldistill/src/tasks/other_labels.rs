//! Rows that are set aside for their labels: a capital letter can cost a whole class of a test file.

use corpus::labelled::{LabelledSet, OTHER_LABEL, TaskConfig, TaskData, labels_key};

/// Maximum number of labels in a warning.
const LABELS: usize = 5;

/// A warning for each file with rows whose labels the task does not have, except those that `config`
/// leaves out by a selection of a published data set's labels.
pub fn warnings(config: &TaskConfig, data: &TaskData) -> Vec<String> {
    let learnt = [
        ("the training files", &data.train),
        ("the validation files", &data.validation),
    ];
    let learnt = learnt.map(|(name, set)| (name.to_owned(), set));
    let tests = data.tests.iter();
    let tests = tests.map(|test| (test.path.display().to_string(), &test.set));
    let sets = learnt.into_iter().chain(tests);
    let sets = sets.filter(|(_, set)| !is_selection(config, set));
    sets.filter_map(|(name, set)| warning(&name, set, config, &data.labels))
        .collect()
}

/// Whether the user has left out all rows that `set` lacks for their labels.
fn is_selection(config: &TaskConfig, set: &LabelledSet) -> bool {
    let mut others = set.rejected.iter().filter(|row| row.label.is_some());
    let selects = config.data.is_some() && !config.labels.is_empty();
    selects && others.all(|row| row.rejected.reason == OTHER_LABEL)
}

fn warning(
    name: &str,
    set: &LabelledSet,
    config: &TaskConfig,
    labels: &[String],
) -> Option<String> {
    let others = set.other_labels();
    let rows: usize = others.values().sum();
    let mut in_other_case = false;
    let label = |(label, rows): (&&str, &usize)| {
        let lower = label.to_lowercase();
        let like = labels.iter().find(|known| known.to_lowercase() == lower);
        in_other_case |= like.is_some();
        let like = like.map_or(String::new(), |known| {
            format!(" (differs from {known:?} only in case)")
        });
        format!("{label:?} {rows}{like}")
    };
    let mut shown: Vec<String> = others.iter().take(LABELS).map(label).collect();
    if others.len() > LABELS {
        shown.push(format!("{} more", others.len() - LABELS));
    }
    let is_own = config.data.is_none() && config.test_data.is_none();
    let advice = match in_other_case {
        true if is_own && config.labels.is_empty() => {
            format!("; with {}, case does not count", labels_key(labels))
        }
        true => "; write them alike".to_owned(),
        false => String::new(),
    };
    (rows > 0).then(|| {
        format!(
            "{name}: {rows} rows are set aside, and {} used: the task does not have the labels {}{advice}",
            set.rows.len(),
            shown.join(", ")
        )
    })
}
