//! Messages of serde in the words of users, who do not know the types of Rust.

/// What is said if a list is expected.
const LIST: &str = "expected a list, e.g. [\"one\", \"two\"]";

/// Phrases of serde's messages, and what they mean to a user.
const PHRASES: [(&str, &str); 23] = [
    ("invalid length", "found a list of the length"),
    ("invalid type: null", "found nothing (null)"),
    ("invalid type: map", "found an object"),
    ("invalid type: sequence", "found a list"),
    ("invalid type: string", "found the text"),
    ("invalid type: integer", "found the number"),
    ("invalid type: floating point", "found the number"),
    ("invalid type: boolean", "found"),
    ("invalid value: integer", "found the number"),
    ("expected usize", "expected a whole number"),
    ("expected u64", "expected a whole number"),
    ("expected u32", "expected a whole number"),
    ("expected f64", "expected a number"),
    ("expected f32", "expected a number"),
    ("expected a boolean", "expected true or false"),
    ("expected a borrowed string", "expected text"),
    ("expected a string", "expected text"),
    ("expected a sequence", LIST),
    ("invalid float", "invalid number"),
    (", expected nothing", ""),
    ("expected a map", "expected an object"),
    ("EOF while parsing", "the text ends within"),
    (
        "trailing characters",
        "text after the end of the JSON value",
    ),
];

/// `message` without names of Rust types and numbers of errors.
pub fn in_plain_words(message: &str) -> String {
    let phrases = PHRASES.iter();
    let plain = phrases.fold(without_numbers(message), |text, (rust, plain)| {
        text.replace(rust, plain)
    });
    let plain = as_list(&plain).unwrap_or(plain);
    match plain.find("expected struct ") {
        // What follows is the name of a Rust type.
        Some(start) => {
            let rest = &plain[start + "expected struct ".len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let after = end.map_or("", |end| &rest[end..]);
            format!("{}expected an object{after}", &plain[..start])
        }
        None => plain,
    }
}

/// `message` with the list that was probably meant, if a text or a number was found in its place.
fn as_list(message: &str) -> Option<String> {
    let before = message.strip_suffix(LIST)?;
    let (_, found) = before.split_once("found the ")?;
    let item = found.trim_end_matches(", ");
    let item = match item.strip_prefix("number ") {
        Some(number) => number.trim_matches('`'),
        None => item.strip_prefix("text ")?,
    };
    Some(format!("{before}expected a list, e.g. [{item}]"))
}

/// `message` without the numbers of the operating system's errors, ` (os error 2)`.
fn without_numbers(message: &str) -> String {
    const NUMBER: &str = " (os error ";
    let mut parts = message.split(NUMBER);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.bytes().all(|b| b.is_ascii_digit()) => plain += rest,
            _ => plain = plain + NUMBER + part,
        }
    }
    plain
}

/// A message of serde_json about a single line, without its position in that line.
pub fn json_fault(error: &serde_json::Error) -> String {
    let message = error.to_string();
    in_plain_words(message.split(" at line ").next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only read into")]
    struct Row {
        question: String,
        count: usize,
    }

    #[test]
    fn errors_of_the_system_are_told_without_their_numbers() {
        let error = std::io::Error::from_raw_os_error(2);
        let told = in_plain_words(&format!("cannot read a.txt: {error}; is it (here)?"));
        assert_eq!(
            told,
            "cannot read a.txt: No such file or directory; is it (here)?"
        );
        assert_eq!(in_plain_words("x (os error y)"), "x (os error y)");
    }

    #[test]
    fn a_list_is_shown_with_the_value_that_was_given() {
        for (said, told) in [
            (
                "invalid type: string \"pt\", expected a sequence",
                "found the text \"pt\", expected a list, e.g. [\"pt\"]",
            ),
            (
                "invalid type: integer `2`, expected a sequence",
                "found the number `2`, expected a list, e.g. [2]",
            ),
            (
                "invalid type: map, expected a sequence",
                "found an object, expected a list, e.g. [\"one\", \"two\"]",
            ),
        ] {
            assert_eq!(in_plain_words(said), told);
        }
    }

    #[test]
    fn faults_of_json_are_told_without_types_and_positions() {
        let fault =
            |text: &str| json_fault(&serde_json::from_str::<Row>(text).expect_err("a faulty row"));
        assert_eq!(
            fault("{\"question\": 5}"),
            "found the number `5`, expected text"
        );
        assert_eq!(
            fault("{\"question\": null}"),
            "found nothing (null), expected text"
        );
        assert_eq!(fault("{\"count\": 5}"), "missing field `question`");
        assert_eq!(
            fault("{\"count\": \"x\"}"),
            "found the text \"x\", expected a whole number"
        );
        assert_eq!(fault("7"), "found the number `7`, expected an object");
        assert_eq!(fault("{\"count\": 7"), "the text ends within an object");
        for text in [
            "7",
            "{\"count\": -1}",
            "[]",
            "{\"count\": 1.5}",
            "{\"question\": {}}",
        ] {
            let told = fault(text);
            let types = ["usize", "struct", "invalid", "sequence", "Row", "line 1"];
            assert!(types.iter().all(|name| !told.contains(name)), "{told}");
        }
    }
}
