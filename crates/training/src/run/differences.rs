//! Describes the differences between two runs.

use artefacts::Provenance;
use serde_json::Value;

/// One phrase for each difference between `then`, found on disk, and `now`: settings with both
/// values, inputs by name.
pub fn differences(then: &Provenance, now: &Provenance) -> Vec<String> {
    let keys = |of: &Provenance| -> Vec<String> {
        let settings = of.parameters.as_object().into_iter().flatten();
        settings.map(|(name, _)| name.clone()).collect()
    };
    let mut names = [keys(then), keys(now)].concat();
    names.sort_unstable();
    names.dedup();
    let shown = |value: Option<&Value>| value.map_or("unset".to_owned(), Value::to_string);
    let settings = names.iter().filter_map(|name| {
        let [was, is] = [then, now].map(|of| of.parameters.get(name));
        (was != is).then(|| format!("{name} was {}, is {}", shown(was), shown(is)))
    });
    let inputs = (now.inputs.iter())
        .filter(|(name, hash)| then.inputs.get(*name) != Some(hash))
        .map(|(name, _)| format!("the {name} changed"));
    let mut differences: Vec<String> = settings.chain(inputs).collect();
    if differences.is_empty() && then.key() != now.key() {
        differences.push(format!(
            "it was trained by version {} of the stage {}, this is version {} of {}",
            then.version, then.stage, now.version, now.stage
        ));
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use serde_json::json;

    #[test]
    fn differences_are_named_with_both_values() {
        let run = |parameters, examples: &str| Provenance {
            stage: "train".into(),
            version: 1,
            parameters,
            engines: Vec::new(),
            inputs: BTreeMap::from([("training examples".into(), examples.into())]),
        };
        let then = run(json!({"epochs": 4, "gone": true, "same": 1}), "x");
        let now = run(json!({"epochs": 2, "new": "y", "same": 1}), "z");
        assert_eq!(
            differences(&then, &now),
            [
                "epochs was 4, is 2",
                "gone was true, is unset",
                "new was unset, is \"y\"",
                "the training examples changed"
            ]
        );
        assert_eq!(differences(&then, &then), Vec::<String>::new());
        let newer = Provenance {
            version: 2,
            ..then.clone()
        };
        assert_eq!(differences(&then, &newer).len(), 1);
    }
}
