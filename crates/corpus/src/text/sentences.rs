//! Sentence boundaries within a line.
//!
//! Boundaries are those of Unicode Standard Annex 29 (ICU's data), except after abbreviations,
//! after initials and inside direct speech. Two sentences joined by mistake translate better than
//! one split in half, so in doubt there is no boundary.

use std::ops::Range;

use icu_segmenter::options::SentenceBreakInvariantOptions;
use icu_segmenter::{SentenceSegmenter, SentenceSegmenterBorrowed};

use super::protect::cuts_through;
use crate::language::Language;

/// Splits lines of one language into sentences.
pub struct SentenceSplitter {
    segmenter: SentenceSegmenterBorrowed<'static>,
    abbreviations: &'static [&'static str],
    greek_question_mark: bool,
}

impl SentenceSplitter {
    /// A splitter for text in `language`.
    pub fn new(language: Language) -> Self {
        Self {
            segmenter: SentenceSegmenter::new(SentenceBreakInvariantOptions::default()),
            abbreviations: abbreviations(language.iso639_1().unwrap_or_default()),
            greek_question_mark: language.script() == "Grek",
        }
    }

    /// The sentences of `line` as byte ranges without surrounding white space, in order; only white
    /// space lies between two ranges. No boundary falls inside a `closed` range (sorted).
    pub fn split(&self, line: &str, closed: &[Range<usize>]) -> Vec<Range<usize>> {
        let mut sentences = Vec::new();
        let mut start = 0;
        let cut = |end: usize| {
            if end > start && end < line.len() && self.is_boundary(line, start, end, closed) {
                push_trimmed(line, start..end, &mut sentences);
                start = end;
            }
        };
        if self.may_have_boundary(line) {
            self.segmenter.segment_str(line).for_each(cut);
        }
        push_trimmed(line, start..line.len(), &mut sentences);
        sentences
    }

    /// Most lines are a single sentence, which can be told without ICU.
    fn may_have_boundary(&self, line: &str) -> bool {
        let bytes = line.trim_end().as_bytes();
        let inner = &bytes[..bytes.len().saturating_sub(1)];
        inner
            .iter()
            .any(|b| matches!(b, b'.' | b'?' | b'!') || !b.is_ascii())
            || self.greek_question_mark && inner.contains(&b';')
    }

    fn is_boundary(&self, line: &str, start: usize, end: usize, closed: &[Range<usize>]) -> bool {
        if cuts_through(closed, end) {
            return false;
        }
        let (before, after) = (line[start..end].trim_end(), line[end..].trim_start());
        if after.starts_with(char::is_lowercase) {
            return false;
        }
        match before.strip_suffix('.') {
            Some(clause) => !self.ends_in_abbreviation(clause),
            None => true,
        }
    }

    /// Whether the full stop after `clause` belongs to its last word: `Dr`, `J`, `U.S`, `e.g`.
    fn ends_in_abbreviation(&self, clause: &str) -> bool {
        let start = clause
            .rfind(|c: char| !c.is_alphanumeric() && c != '.')
            .map_or(0, |at| {
                at + clause[at..].chars().next().map_or(1, char::len_utf8)
            });
        let word = &clause[start..];
        let mut letters = word.chars();
        let initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none();
        let dotted = word.contains('.')
            && word
                .split('.')
                .all(|part| part.chars().count() == 1 && part.starts_with(char::is_alphabetic));
        let listed = || {
            let lower = word.to_lowercase();
            SHARED.contains(&lower.as_str()) || self.abbreviations.contains(&lower.as_str())
        };
        initial || dotted || !word.is_empty() && word.len() <= LONGEST && listed()
    }
}

fn push_trimmed(line: &str, range: Range<usize>, sentences: &mut Vec<Range<usize>>) {
    let text = &line[range.clone()];
    let trimmed = text.trim_start();
    let start = range.start + (text.len() - trimmed.len());
    let trimmed = trimmed.trim_end();
    if !trimmed.is_empty() {
        sentences.push(start..start + trimmed.len());
    }
}

/// Length in bytes of the longest listed abbreviation.
const LONGEST: usize = 8;

/// Abbreviations common in most languages with Latin letters.
const SHARED: &[&str] = &[
    "dr", "prof", "etc", "vs", "vol", "fig", "ed", "eds", "cf", "al", "ca", "inc", "ltd", "nr",
    "st",
];

/// Abbreviations that a capital or a number may follow within a sentence.
fn abbreviations(iso639_1: &str) -> &'static [&'static str] {
    match iso639_1 {
        "en" => &[
            "mr", "mrs", "ms", "messrs", "mt", "ave", "blvd", "rd", "dept", "gov", "gen", "col",
            "lt", "sgt", "capt", "cpl", "rep", "sen", "rev", "hon", "pres", "jr", "sr", "co",
            "corp", "bros", "assn", "univ", "approx", "est", "no", "nos", "pp", "para", "sec",
            "ch", "art", "eg", "ie", "viz", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep",
            "sept", "oct", "nov", "dec", "phd",
        ],
        "pt" => &[
            "sr", "sra", "srs", "sras", "srta", "dra", "drs", "profa", "eng", "av", "pág", "págs",
            "ex", "exmo", "exma", "cia", "ltda", "n", "núm", "tel", "séc", "art", "cap", "obs",
            "dep", "gen", "cel", "pe", "d",
        ],
        "es" => &[
            "sr", "sra", "srs", "sres", "srta", "dra", "profa", "ing", "lic", "av", "avda", "pág",
            "págs", "ej", "cía", "ltda", "n", "núm", "tel", "art", "cap", "gral", "ud", "uds",
        ],
        "fr" => &[
            "m", "mm", "mme", "mmes", "mlle", "me", "av", "bd", "chap", "éd", "env", "ex", "p",
            "pp", "tél", "art", "mgr",
        ],
        "de" => &[
            "hr", "fr", "frl", "bzw", "usw", "z", "zb", "ggf", "evtl", "inkl", "zzgl", "abs",
            "art", "aufl", "bd", "bsp", "ca", "geb", "gest", "hrsg", "jh", "mio", "mrd", "s",
            "str", "tel", "u", "vgl", "max", "min", "dipl", "ing",
        ],
        "it" => &[
            "sig", "sigg", "dott", "ing", "avv", "pag", "pagg", "es", "ecc", "tel", "art", "cap",
            "n", "ss",
        ],
        "nl" => &[
            "dhr", "mevr", "mw", "mej", "ir", "drs", "bijv", "enz", "blz", "jl", "nl", "resp",
            "tel",
        ],
        "ca" => &["sr", "sra", "dra", "av", "pàg", "ex", "núm", "tel", "art"],
        "pl" => &[
            "np", "mgr", "inż", "ul", "tzn", "tj", "itd", "itp", "r", "w", "godz", "gen", "ks",
        ],
        "cs" | "sk" => &[
            "mudr", "ing", "mgr", "např", "tj", "atd", "apod", "č", "str", "r", "ul", "tel", "mil",
            "mld",
        ],
        "ru" | "uk" | "bg" | "be" => &[
            "г", "гг", "др", "им", "т", "п", "стр", "ул", "тел", "руб", "млн", "млрд", "тыс",
            "проф", "см",
        ],
        "fi" => &[
            "esim", "mm", "ym", "jne", "ns", "nk", "klo", "puh", "os", "s", "v",
        ],
        "sv" | "da" | "nb" | "nn" | "no" => &[
            "t", "bl", "dvs", "osv", "mm", "kl", "nr", "hr", "fr", "tlf", "ev", "f", "s",
        ],
        "id" | "ms" => &[
            "bpk", "sdr", "tn", "ny", "jl", "no", "hlm", "tgl", "dll", "dsb", "dst", "drs", "ir",
            "h",
        ],
        "vi" => &["ts", "ths", "gs", "pgs", "tp", "q", "p", "tr"],
        "tr" => &[
            "sn", "doç", "av", "bkz", "vb", "vs", "yy", "örn", "no", "cad", "sok",
        ],
        _ => &[],
    }
}
