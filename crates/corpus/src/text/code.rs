//! Detects lines of program code outside code fences.
//!
//! Instruction data is full of unfenced listings. A line is code if its form leaves no doubt (`def
//! f(x):`, `int i = 0;`), or if its form allows it and a neighbouring line is code (comments,
//! indented lines, `else:`).

use std::ops::Range;
use std::sync::LazyLock;

use regex_automata::meta::Regex;
use regex_automata::util::syntax;

/// Lines that are always code.
const CERTAIN: &[&str] = &[
    // Statements and blocks of C-like languages.
    r"(?:[)\]}\x22'+]|--|=.*)\s*;\s*(?://.*)?$",
    r"^\s*(?:return|break|continue)\b.*;\s*$",
    r"^[^!?]*[)\w>=]\s*\{\s*$",
    r"^\s*[})\]]+\s*(?:else\b.*\{|[;,)]|while\s*\(.*)\s*$",
    r"^\s*(?:public|private|protected|static|final|const|let|var|function|fn|int|float|double|char|void|bool|boolean|string|String|auto|unsigned|struct)\s+[*&A-Za-z_].*[=({;\[]",
    r"^\s*#\s*(?:include|define|ifdef|ifndef|endif|pragma)\b",
    r"^\s*using\s+namespace\b",
    r"^\s*(?:std::)?(?:cout|cin|cerr)\s*(?:<<|>>)",
    // Python.
    r"^\s*(?:async\s+)?def\s+\w+\s*\(",
    r"^\s*class\s+\w+\s*(?:\([^()]*\))?\s*:\s*$",
    r"^\s*(?:import\s+[\w.]+(?:\s+as\s+\w+)?(?:\s*,\s*[\w.]+)*|from\s+[\w.]+\s+import\s+.+)\s*$",
    r"^\s*for\s+[\w, ()]+\s+in\s+\S.*:(?:\s*$|\s+\w+\()",
    r"^\s*(?:if|elif|while)\s+.*(?:[=!<>]=|[<>(\[]|\bnot\s|\bin\s|\bis\s).*:\s*$",
    r"^\s*(?:with|except)\s+\w+.*\bas\s+\w+\s*:\s*$",
    r"^\s*return\s+[\w.]*[(\[{]",
    r"^\s*@\w+(?:\.\w+)*(?:\(.*\))?\s*$",
    r"^\s*(?:>>>|\.\.\.|In \[\d*\]:)\s",
    // A call that fills the line, or an assignment of a value that is not prose.
    r"^\s*(?:[\w]+[.])*\w*[._]\w+\(.*\)\s*[;:]?\s*$",
    r"^\s*(?:print|println|printf|input|alert|echo|puts|len|range)\s*\(.*\)\s*;?\s*$",
    r"^\s*[A-Za-z_][\w.]*(?:\[[^\]]*\])?\s*(?:[-+*/|&]?=|:=|<-)\s*(?:[\[{(\x22'$]|-?\d|\w+[.(\[]|new\s|lambda\b|None\b|True\b|False\b|true\b|false\b|null\b)",
    // SQL, shell, markup.
    r"^\s*(?:SELECT\s.*\sFROM\s|SELECT\s+\*|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\b|DELETE\s+FROM\s|(?:CREATE|ALTER|DROP)\s+(?:TABLE|DATABASE|VIEW|INDEX|FUNCTION|PROCEDURE)\b)",
    r"^\s*(?:SELECT|FROM|WHERE|AND|(?:GROUP|ORDER)\s+BY|HAVING|LIMIT|VALUES)\s.*;\s*$",
    r"^\s*\$\s+[a-z]+\s",
    r"(?i)^\s*<(?:!doctype|\?xml|/?(?:html|head|body|div|script|style|meta|link|table|tr|td|th|ul|ol|li|form|input|img|title|nav|section|header|footer|button|label|select|option|svg|h[1-6]|p)(?:\s[^>]*)?/?>).*>\s*$",
];

/// Lines that are code if they are next to code.
const POSSIBLE: &[&str] = &[
    r"^(?: {3,}|\t)",
    r"^\s*(?://|#|/\*|\*/|\*\s|--\s|<!--)",
    r"^\s*[{}()\[\];,]+\s*$",
    r"^\s*(?:else|try|finally|except(?:\s+\w+)?|do)\s*:?\s*\{?\s*$",
    r"^\s*\x22[^\x22]*\x22\s*:\s*",
    r"^\s*[\w-]+\s*:\s*[^;]+;\s*$",
    r"^\s*(?:FROM|WHERE|AND|OR|(?:GROUP|ORDER)\s+BY|(?:LEFT|RIGHT|INNER|OUTER)?\s*JOIN|HAVING|LIMIT|VALUES|SET|ON|SELECT)\b",
    r"^\s*(?:return|raise|yield|pass|break|continue|end|fi|done|then|esac|else|elif|if|while|for|with|case|switch|default)\b",
    r"^\s*[A-Za-z_][\w.]*\s*[-+*/]?=\s*\S",
    r"^\s*</?[A-Za-z][^>]*>",
    r"[{(\[,\\]\s*$",
];

static CERTAIN_CODE: LazyLock<Regex> = LazyLock::new(|| ascii(CERTAIN));
static POSSIBLE_CODE: LazyLock<Regex> = LazyLock::new(|| ascii(POSSIBLE));

/// The significant characters of program code are ASCII, and byte classes make the automaton small
/// and fast.
fn ascii(patterns: &[&str]) -> Regex {
    Regex::builder()
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .configure(Regex::config().utf8_empty(false))
        .build_many(patterns)
        .expect("the patterns are constants")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Evidence {
    Code,
    Possible,
    Blank,
    Prose,
}

/// For each of `lines` (byte ranges of `text`, without line breaks), whether it is program code.
pub fn code_lines(text: &str, lines: &[Range<usize>]) -> Vec<bool> {
    // Every certain form contains one of these, apart from a few whose marker is on a neighbouring
    // line.
    if !text.bytes().any(|b| {
        matches!(
            b,
            b'(' | b'{' | b'=' | b';' | b'<' | b':' | b'@' | b'>' | b'#'
        )
    }) && !text.contains("import ")
        && !text.contains("SELECT")
    {
        return vec![false; lines.len()];
    }
    let mut evidence: Vec<Evidence> = lines
        .iter()
        .map(|line| judge(&text[line.clone()]))
        .collect();
    spread(evidence.iter_mut());
    spread(evidence.iter_mut().rev());
    evidence.into_iter().map(|e| e == Evidence::Code).collect()
}

fn judge(line: &str) -> Evidence {
    if line.trim().is_empty() {
        Evidence::Blank
    } else if CERTAIN_CODE.is_match(line) {
        Evidence::Code
    } else if POSSIBLE_CODE.is_match(line) {
        Evidence::Possible
    } else {
        Evidence::Prose
    }
}

/// A line of code makes the possible lines after it code, across blank lines.
fn spread<'a>(lines: impl Iterator<Item = &'a mut Evidence>) {
    let mut in_code = false;
    for line in lines {
        match line {
            Evidence::Code => in_code = true,
            Evidence::Possible if in_code => *line = Evidence::Code,
            Evidence::Blank => {}
            Evidence::Possible | Evidence::Prose => in_code = false,
        }
    }
}
