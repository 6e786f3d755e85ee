//! Translation memories (TMX 1.4): `<tu>` with a `<tuv xml:lang="…"><seg>…</seg></tuv>` a language.

use std::path::Path;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::SourceError;
use super::text::Text;

/// A unit: the line on which it begins, and the texts with their languages as written.
pub(crate) type Unit = (u64, Vec<(String, String)>);

/// Elements of a segment whose content is markup of the original document.
const CODES: [&str; 5] = ["bpt", "ept", "ph", "it", "ut"];

/// The units of the translation memory `text`.
///
/// # Errors
/// [`SourceError::Malformed`] with the line if the XML is malformed, which leaves no way to tell
/// one unit from the next.
pub(crate) fn units(text: &Text, path: &Path) -> Result<Vec<Unit>, SourceError> {
    let fault = |line: u64, message: String| SourceError::Malformed {
        path: path.to_owned(),
        line,
        message,
    };
    let content = std::str::from_utf8(text.bytes()).map_err(|error| {
        let before = &text.bytes()[..error.valid_up_to()];
        SourceError::NotUtf8 {
            path: path.to_owned(),
            line: 1 + breaks(before),
        }
    })?;
    let mut reader = Reader::from_str(content);
    let mut units = Vec::new();
    let mut reading = Reading::default();
    let (mut line, mut counted) = (1, 0);
    loop {
        let event = reader.read_event();
        let at = (reader.buffer_position() as usize).clamp(counted, content.len());
        line += breaks(&content.as_bytes()[counted..at]);
        counted = at;
        match event.map_err(|error| fault(line, error.to_string()))? {
            Event::Start(element) => reading.opens(&element, line),
            Event::End(element) => {
                let name = element.local_name();
                units.extend(reading.closes(name.into_inner()));
            }
            Event::Text(text) => reading.takes(&text.xml10_content()),
            Event::CData(text) => reading.takes(&text),
            Event::GeneralRef(reference) => {
                let found = character(&reference);
                reading.takes(&found.ok_or_else(|| {
                    fault(line, format!("the entity &{}; is unknown", &*reference))
                })?);
            }
            Event::Eof if reading.is_open() => {
                return Err(fault(line, "it breaks off within a unit".to_owned()));
            }
            Event::Eof => return Ok(units),
            _ => {}
        }
    }
}

/// The unit that is being read.
#[derive(Default)]
struct Reading {
    unit: Option<Unit>,
    language: String,
    segment: Option<String>,
    /// Depth of elements with markup of the original.
    codes: usize,
}

impl Reading {
    fn is_open(&self) -> bool {
        self.unit.is_some()
    }

    fn opens(&mut self, element: &BytesStart<'_>, line: u64) {
        match element.local_name().into_inner() {
            "tu" => self.unit = Some((line, Vec::new())),
            "tuv" => self.language = language(element).unwrap_or_default(),
            "seg" => self.segment = Some(String::new()),
            name if CODES.contains(&name) => self.codes += 1,
            _ => {}
        }
    }

    /// Returns a unit that is complete.
    fn closes(&mut self, name: &str) -> Option<Unit> {
        match name {
            "tu" => return self.unit.take(),
            "seg" => {
                let segment = self.segment.take()?;
                let (_, texts) = self.unit.as_mut()?;
                texts.push((self.language.clone(), segment));
            }
            name if CODES.contains(&name) => self.codes = self.codes.saturating_sub(1),
            _ => {}
        }
        None
    }

    fn takes(&mut self, text: &str) {
        if let Some(segment) = &mut self.segment
            && self.codes == 0
        {
            segment.push_str(text);
        }
    }
}

/// The language of a `tuv`: `xml:lang`, or `lang` before TMX 1.4.
fn language(element: &BytesStart<'_>) -> Option<String> {
    let mut attributes = element.attributes().flatten();
    let found = attributes.find(|attribute| matches!(attribute.key.0, "xml:lang" | "lang"))?;
    Some(found.value.into_owned())
}

fn character(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Some(character.to_string()),
        Ok(None) => resolve_predefined_entity(reference).map(str::to_owned),
        Err(_) => None,
    }
}

fn breaks(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
