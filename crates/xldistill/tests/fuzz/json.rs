//! Changes to JSON that keep it JSON.

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::text;

/// What takes the place of a value.
fn strange(chance: &mut Chance) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(2),
        json!(-1),
        json!(0.5),
        json!(-0.0),
        json!(1e300),
        json!(u32::MAX),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1u64 << 40),
        json!(""),
        json!("x"),
        json!("\u{0}"),
        json!("\u{10fffd}"),
        json!("../../../etc/passwd"),
        json!("(a|a)*b"),
        json!("(a+)+$"),
        json!(r"\s*\s*\s*\s*x"),
        json!("[unk"),
        json!("\u{2581}"),
        json!("x".repeat(5000)),
        json!([]),
        json!({}),
        json!([[[]]]),
        json!([0, 0]),
        json!(["a", "a"]),
        json!({"type": "BPE"}),
        json!({"type": "Sequence", "normalizers": []}),
        json!({"type": "Prepend", "prepend": "aaaaaaaa"}),
        json!({"type": "Split", "pattern": {"Regex": r"(\w+\s?)*\d"}, "behavior": "Isolated", "invert": false}),
        json!({"type": "ByteLevel"}),
        json!({"rope_type": "yarn", "factor": 0}),
    ];
    match chance.below(12) {
        0 => json!(*chance.of(&crate::bytes::NUMBERS)),
        1 => {
            // Nested deeply, though not so deeply that no parser would take it.
            let nest = |value, _| json!([value]);
            (0..chance.below(120)).fold(json!(1), nest)
        }
        _ => chance.of(&values).clone(),
    }
}

/// Number of values in `json`, itself included.
fn count(json: &Value) -> usize {
    1 + match json {
        Value::Array(values) => values.iter().map(count).sum(),
        Value::Object(entries) => entries.values().map(count).sum(),
        _ => 0,
    }
}

/// The value that comes `at`-th in a walk.
fn nth<'a>(json: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(json);
    }
    *at -= 1;
    match json {
        Value::Array(values) => values.iter_mut().find_map(|value| nth(value, at)),
        Value::Object(entries) => entries.values_mut().find_map(|value| nth(value, at)),
        _ => None,
    }
}

/// A value of `json`. Large tables, such as vocabularies, count little: what is around them decides
/// more.
fn any<'a>(chance: &mut Chance, json: &'a mut Value) -> &'a mut Value {
    let mut here = json;
    loop {
        let children = match &*here {
            Value::Array(values) => values.len(),
            Value::Object(entries) => entries.len(),
            _ => 0,
        };
        if children == 0 || chance.once_in(3) {
            return here;
        }
        let child = chance.below(children);
        here = match here {
            Value::Array(values) => &mut values[child],
            Value::Object(entries) => entries.values_mut().nth(child).expect("a child"),
            _ => return here,
        };
    }
}

/// Changes a few values of `value`.
pub fn change_value(chance: &mut Chance, value: &mut Value) {
    for _ in 0..1 + chance.below(3) {
        let mut number = chance.below(count(value));
        let donor = nth(value, &mut number).cloned().unwrap_or_default();
        let place = match chance.once_in(2) {
            true => any(chance, value),
            false => {
                let mut number = chance.below(count(value));
                match nth(value, &mut number) {
                    Some(place) => place,
                    None => return,
                }
            }
        };
        match (chance.below(8), &mut *place) {
            (0, Value::Array(values)) if !values.is_empty() => {
                values.remove(chance.below(values.len()));
            }
            (1, Value::Array(values)) if !values.is_empty() => {
                let value = chance.of(values).clone();
                for _ in 0..chance.copies(300, value.to_string().len()) {
                    values.push(value.clone());
                }
            }
            (0 | 2, Value::Object(entries)) if !entries.is_empty() => {
                let key = entries.keys().nth(chance.below(entries.len())).cloned();
                entries.remove(&key.unwrap_or_default());
            }
            (1, Value::Object(entries)) if !entries.is_empty() => {
                // A value under another name of the same object.
                let keys: Vec<String> = entries.keys().cloned().collect();
                let value = entries[chance.of(&keys)].clone();
                entries.insert(chance.of(&keys).clone(), value);
            }
            (3, Value::Number(number)) => {
                let number = number.as_f64().unwrap_or_default();
                *place = json!((number as i64).saturating_add(*chance.of(&[-1, 1, 2, 1000])));
            }
            (3..=5, Value::String(said)) => {
                let mut bytes = said.clone().into_bytes();
                text::change(
                    chance,
                    &mut bytes,
                    &["\\", "{", "▁", "Ġ", "</s>", "(", "*", "+"],
                );
                *said = String::from_utf8_lossy(&bytes).into_owned();
            }
            (6, _) => *place = donor,
            _ => *place = strange(chance),
        }
    }
}

/// Changes a few values of a JSON file; anything else is changed as text.
pub fn change(chance: &mut Chance, bytes: &mut Vec<u8>) {
    match serde_json::from_slice(bytes) {
        Ok(mut value) if !chance.once_in(8) => {
            change_value(chance, &mut value);
            *bytes = value.to_string().into_bytes();
        }
        _ => text::change(
            chance,
            bytes,
            &["{", "}", "[", "]", ",", ":", "\"", "NaN", "\\u"],
        ),
    }
}
