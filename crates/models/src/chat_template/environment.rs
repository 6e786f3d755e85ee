//! The Jinja environment that templates expect.

use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, StringInput};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// Name of the only template in its environment.
pub(super) const NAME: &str = "chat_template";

/// An environment that holds the compiled template.
pub(super) fn compile(source: &str) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", to_json);
    environment.add_filter("indent", indent);
    environment.add_filter("slice", slice);
    environment.add_filter("batch", batch);
    environment.add_function(
        "raise_exception",
        |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        },
    );
    environment.add_function("strftime_now", strftime_now);
    environment.add_template_owned(NAME, without_generation_marks(source))?;
    Ok(environment)
}

/// `{% generation %}` marks the assistant's text for trainers that use it as a mask. minijinja has
/// no custom tags; a condition that is always true renders the same text.
fn without_generation_marks(source: &str) -> String {
    let mut result = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        // `{%}` opens a tag and does not close it.
        let Some(length) = rest[start + 2..].find("%}") else {
            break;
        };
        let length = length + 2;
        let tag = &rest[start..start + length + 2];
        let name = tag[2..tag.len() - 2].trim_matches(['-', '+']).trim();
        let replacement = match name {
            "generation" => Some("if true"),
            "endgeneration" => Some("endif"),
            _ => None,
        };
        result.push_str(&rest[..start]);
        match replacement {
            Some(replacement) => result.push_str(&tag.replacen(name, replacement, 1)),
            None => result.push_str(tag),
        }
        rest = &rest[start + length + 2..];
    }
    result.push_str(rest);
    result
}

/// The local time of rendering, in the format of C's `strftime`.
fn strftime_now(format: String) -> Result<String, Error> {
    jiff::fmt::strtime::format(&format, &jiff::Zoned::now()).map_err(|error| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("strftime_now({format:?}): {error}"),
        )
    })
}

/// Largest width or number that a filter is given; the published ones use single digits.
const LARGEST: usize = 1000;

fn bounded(name: &str, number: usize) -> Result<usize, Error> {
    if number <= LARGEST {
        return Ok(number);
    }
    let message = format!("{name}({number}) is more than the {LARGEST} that are allowed");
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// minijinja's filters, with bounds for what they are told to make.
fn indent(
    value: StringInput<'_>,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    options: Kwargs,
) -> Result<Value, Error> {
    let width = match width {
        Some(width) => Some(width),
        None => options.get("width")?,
    };
    let width = width.map(|width| bounded("indent", width)).transpose()?;
    minijinja::filters::indent(value, width, first, blank, options)
}

fn slice(state: &State, value: Value, count: usize, fill: Option<Value>) -> Result<Value, Error> {
    minijinja::filters::slice(state, value, bounded("slice", count)?, fill)
}

fn batch(state: &State, value: Value, count: usize, fill: Option<Value>) -> Result<Value, Error> {
    minijinja::filters::batch(state, value, bounded("batch", count)?, fill)
}

/// Python's `json.dumps(value, ensure_ascii=False, indent=indent)`: no HTML escapes, a space after
/// each comma and colon.
fn to_json(value: Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let indent = indent.map(|width| bounded("tojson", width)).transpose()?;
    let sort_keys: Option<bool> = options.get("sort_keys")?;
    let _: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let failed =
        |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    // serde_json's own map is sorted; minijinja's keeps the order of the template.
    let text = match sort_keys {
        Some(true) => dumps(&serde_json::to_value(&value).map_err(failed)?, indent),
        _ => dumps(&value, indent),
    };
    text.map_err(failed)
}

fn dumps(value: &impl serde::Serialize, indent: Option<usize>) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    match indent {
        Some(width) => {
            let indent = " ".repeat(width);
            let formatter = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut bytes, OneLine))?,
    }
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// Python's separators on one line: `{"a": 1, "b": [2, 3]}`.
struct OneLine;

impl Formatter for OneLine {
    fn begin_array_value<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }
}
