//! Describes the differences between two runs.

use std::collections::BTreeSet;

use artefacts::Provenance;
use serde_json::Value;

/// One phrase for each difference between `then`, found on disk, and `now`: settings with both
/// values, inputs by name. Of a section, only the settings that differ are named.
pub fn differences(then: &Provenance, now: &Provenance) -> Vec<String> {
    let (was, is) = (&then.parameters, &now.parameters);
    let mut differences = Vec::new();
    add("", Some(was), Some(is), &mut differences);
    let inputs = (now.inputs.iter())
        .filter(|(name, hash)| then.inputs.get(*name) != Some(hash))
        .map(|(name, _)| format!("the {name} changed"));
    differences.extend(inputs);
    if differences.is_empty() && then.key() != now.key() {
        differences.push(format!(
            "it was trained by version {} of the stage {}, this is version {} of {}",
            then.version, then.stage, now.version, now.stage
        ));
    }
    differences
}

/// Adds a phrase for each setting of the section `key` that differs, or for `key` itself if it is no
/// section on both sides.
fn add(key: &str, was: Option<&Value>, is: Option<&Value>, phrases: &mut Vec<String>) {
    if let (Some(Value::Object(then)), Some(Value::Object(now))) = (was, is) {
        let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        for name in names {
            let key = match key.is_empty() {
                true => name.clone(),
                false => format!("{key}.{name}"),
            };
            add(&key, then.get(name), now.get(name), phrases);
        }
    } else if was != is {
        let shown = |value: Option<&Value>| match value {
            None => "unset".to_owned(),
            // A whole section would hide what else has changed.
            Some(Value::Object(_)) => "set".to_owned(),
            Some(value) => value.to_string(),
        };
        phrases.push(format!("{key} was {}, is {}", shown(was), shown(is)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use serde_json::json;

    #[test]
    fn differences_are_named_with_both_values_and_nothing_else_is() {
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
        let sections = |rate: f64, lora| {
            let training = json!({"learning_rate": rate, "epochs": 3});
            run(
                json!({"mntp": {"mask": "_", "training": training}, "lora": lora}),
                "x",
            )
        };
        let (then_nested, now_nested) = (
            sections(0.1, Value::Null),
            sections(0.2, json!({"rank": 8, "targets": ["q", "k"]})),
        );
        assert_eq!(
            differences(&then_nested, &now_nested),
            [
                "lora was null, is set",
                "mntp.training.learning_rate was 0.1, is 0.2"
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
