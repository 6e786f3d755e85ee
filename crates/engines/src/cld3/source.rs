//! Arrays of numbers in C++ source: `const uint8 LangIdNNParams::kName[] = { 37u, 120u };`.

use std::collections::HashMap;

/// An array and the line on which it begins.
pub(super) struct Array {
    pub(super) line: usize,
    pub(super) values: Values,
}

/// Values of an array.
pub(super) enum Values {
    Integers(Vec<u32>),
    Floats(Vec<f32>),
}

/// All arrays of `source` by name. The source may also contain comments, preprocessor lines and a
/// namespace. Errors begin with their line.
pub(super) fn read_arrays(source: &str) -> Result<HashMap<String, Array>, String> {
    let mut tokens = Tokens {
        rest: source,
        line: 1,
    };
    let mut arrays = HashMap::new();
    while let Some(token) = tokens.next()? {
        match token {
            "namespace" => {
                tokens.word("a namespace's name")?;
                tokens.expect("{")?;
            }
            "}" => {}
            "const" => {
                let kind = tokens.word("a type")?;
                for expected in ["LangIdNNParams", "::"] {
                    tokens.expect(expected)?;
                }
                let name = tokens.word("an array's name")?;
                for expected in ["[", "]", "=", "{"] {
                    tokens.expect(expected)?;
                }
                let line = tokens.line;
                let values = match kind {
                    "float" => Values::Floats(tokens.list('f', name)?),
                    "uint8" | "float16" | "int" | "int32" => {
                        Values::Integers(tokens.list('u', name)?)
                    }
                    other => {
                        return Err(tokens.error(&format!("{name} has the unknown type {other}")));
                    }
                };
                tokens.expect(";")?;
                if arrays
                    .insert(name.to_owned(), Array { line, values })
                    .is_some()
                {
                    return Err(format!("line {line}: {name} occurs twice"));
                }
            }
            other => {
                return Err(tokens.error(&format!("expected an array, found {other:?}")));
            }
        }
    }
    Ok(arrays)
}

/// Tokens: words, numbers and punctuation.
struct Tokens<'s> {
    rest: &'s str,
    line: usize,
}

impl<'s> Tokens<'s> {
    fn error(&self, message: &str) -> String {
        format!("line {}: {message}", self.line)
    }

    fn advance(&mut self, bytes: usize) -> &'s str {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += passed.bytes().filter(|&byte| byte == b'\n').count();
        self.rest = rest;
        passed
    }

    /// Skips white space, comments and preprocessor lines.
    fn skip(&mut self) -> Result<(), String> {
        loop {
            let blank = self.rest.len() - self.rest.trim_ascii_start().len();
            self.advance(blank);
            if self.rest.starts_with("//") || self.rest.starts_with('#') {
                let line = self.rest.find('\n').unwrap_or(self.rest.len());
                self.advance(line);
            } else if self.rest.starts_with("/*") {
                let Some(end) = self.rest.find("*/") else {
                    return Err(self.error("a comment is not closed"));
                };
                self.advance(end + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Option<&'s str>, String> {
        self.skip()?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        let length = if is_word(first) || first == '-' {
            // `1e-05f` is one number.
            let mut before = first;
            self.rest
                .char_indices()
                .skip(1)
                .find(|&(_, c)| {
                    let goes_on = is_word(c) || matches!((before, c), ('e' | 'E', '-' | '+'));
                    before = c;
                    !goes_on
                })
                .map_or(self.rest.len(), |(at, _)| at)
        } else if self.rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        Ok(Some(self.advance(length)))
    }

    fn expect(&mut self, expected: &str) -> Result<(), String> {
        match self.next()? {
            Some(found) if found == expected => Ok(()),
            Some(found) => Err(self.error(&format!("expected {expected:?}, found {found:?}"))),
            None => Err(self.error(&format!("the file ends where {expected:?} is expected"))),
        }
    }

    fn word(&mut self, what: &str) -> Result<&'s str, String> {
        match self.next()? {
            Some(word) if word.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok(word),
            Some(found) => Err(self.error(&format!("expected {what}, found {found:?}"))),
            None => Err(self.error(&format!("the file ends where {what} is expected"))),
        }
    }

    /// Numbers, each of which may end in `suffix`, up to the closing brace.
    fn list<T: std::str::FromStr>(&mut self, suffix: char, name: &str) -> Result<Vec<T>, String> {
        let mut values = Vec::new();
        loop {
            let token = match self.next()? {
                Some("}") => return Ok(values),
                Some(token) => token,
                None => return Err(self.error(&format!("the file ends within {name}"))),
            };
            let number = token.strip_suffix(suffix).unwrap_or(token);
            let Ok(value) = number.parse() else {
                return Err(self.error(&format!("{token:?} in {name} is not a number of its type")));
            };
            values.push(value);
            match self.next()? {
                Some(",") => {}
                Some("}") => return Ok(values),
                Some(found) => {
                    return Err(self.error(&format!("expected a comma in {name}, found {found:?}")));
                }
                None => return Err(self.error(&format!("the file ends within {name}"))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_read_among_what_surrounds_them() {
        let source = "/* licence\n*/\n#include \"base.h\"\nnamespace chrome_lang_id {\n// rows\n\
                      const int LangIdNNParams::kRows[] = {1000, 12};\n\
                      const float LangIdNNParams::kW[] = {\n  -0.5f, 1e-05f,\n 2f,\n};\n}  // namespace\n";
        let arrays = read_arrays(source).unwrap();
        assert!(matches!(&arrays["kRows"].values, Values::Integers(v) if v[..] == [1000, 12]));
        assert!(matches!(&arrays["kW"].values, Values::Floats(v) if v[..] == [-0.5, 1e-5, 2.0]));
        assert_eq!(arrays["kW"].line, 7);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let error = |source: &str| read_arrays(source).err().expect("an error");
        assert!(error("\nint x;").starts_with("line 2: expected an array"));
        let array = "const uint8 LangIdNNParams::kA[] = {\n1u,\n";
        assert!(error(&format!("{array}x}};")).starts_with("line 3: \"x\" in kA"));
        assert!(error(&format!("{array}-1}};")).starts_with("line 3: \"-1\" in kA"));
        assert!(error(array).contains("ends within kA"));
        assert!(error("/* endless").contains("not closed"));
    }
}
