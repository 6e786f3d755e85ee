//! Placeholders such as `{text}` in templates that users write.

/// The first `{name}` in `template` that is not one of the `known` placeholders, which are written
/// with their braces. Braces around anything but lower-case letters and underscores are text.
pub fn unknown<'t>(template: &'t str, known: &[&str]) -> Option<&'t str> {
    let is_name = |text: &str| {
        let is_letter = |c: char| c.is_ascii_lowercase() || c == '_';
        !text.is_empty() && text.chars().all(is_letter)
    };
    let begins = template.match_indices('{').map(|(at, _)| at);
    let mut found = begins.filter_map(|at| {
        let length = template[at..].find('}')?;
        is_name(&template[at + 1..at + length]).then(|| &template[at..=at + length])
    });
    found.find(|name| !known.contains(name))
}

/// What a user who wrote the `unknown` placeholder is told.
pub fn advice(unknown: &str, known: &[&str]) -> String {
    match known {
        [] => format!("{unknown} would be taken literally, since there are no placeholders here"),
        known => format!(
            "{unknown} is no placeholder here; there is {}",
            known.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_braces_are_placeholders_and_other_braces_are_text() {
        let known = ["{text}"];
        assert_eq!(
            unknown("Say {text} and {foo}, {bar}.", &known),
            Some("{foo}")
        );
        assert_eq!(unknown("{text}{TEXT}{}{ text }{\"a\": 1} {", &known), None);
        assert_eq!(unknown("{{text}}", &[]), Some("{text}"));
        assert_eq!(unknown("é{ü}{é{x_y}", &known), Some("{x_y}"));
    }
}
