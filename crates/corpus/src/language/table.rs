//! The table behind [`Language`](super::Language): one row per language, parsed once.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Tab-separated: a header, then one line per language in the order of the codes. Aliases are
/// separated by semicolons.
const TABLE: &str = include_str!("flores200.tsv");

/// Number of languages.
pub(super) const ROWS: usize = 204;

/// One line of the table.
pub(super) struct Row {
    pub code: &'static str,
    pub name: &'static str,
    pub everyday: Option<&'static str>,
    pub iso639_1: Option<&'static str>,
    pub muse: Option<&'static str>,
    pub whatlang: Option<&'static str>,
    pub cld3: Option<&'static str>,
    pub fasttext: Option<&'static str>,
}

/// The rows, with indices to find one.
pub(super) struct Table {
    pub rows: Vec<Row>,
    pub by_code: HashMap<&'static str, u16>,
    pub by_whatlang: HashMap<&'static str, u16>,
    pub by_cld3: HashMap<&'static str, u16>,
    pub by_fasttext: HashMap<&'static str, u16>,
    /// All names a user may write, in lower case with `_` for `-` and spaces.
    pub by_written: HashMap<String, u16>,
}

/// The table, parsed on first use.
pub(super) fn table() -> &'static Table {
    static PARSED: LazyLock<Table> = LazyLock::new(Table::parse);
    &PARSED
}

/// Normalises a name, whether written by a user or in the table.
pub(super) fn written_form(text: &str) -> String {
    let same_separators = text.trim().replace(['-', ' '], "_");
    same_separators.to_lowercase()
}

impl Table {
    fn parse() -> Table {
        let mut table = Table {
            rows: Vec::with_capacity(ROWS),
            by_code: HashMap::new(),
            by_whatlang: HashMap::new(),
            by_cld3: HashMap::new(),
            by_fasttext: HashMap::new(),
            by_written: HashMap::new(),
        };
        let mut three_letter_codes = Vec::new();
        for (index, line) in TABLE.lines().skip(1).enumerate() {
            let index = index as u16;
            let mut columns = line.split('\t').map(|c| Some(c).filter(|c| !c.is_empty()));
            let mut column = || columns.next().flatten();
            let row = Row {
                code: column().expect("the first column of the table is the code"),
                name: column().expect("the second column of the table is the name"),
                everyday: column(),
                iso639_1: column(),
                muse: column(),
                whatlang: column(),
                cld3: column(),
                fasttext: column(),
            };
            table.by_code.insert(row.code, index);
            for (map, key) in [
                (&mut table.by_whatlang, row.whatlang),
                (&mut table.by_cld3, row.cld3),
                (&mut table.by_fasttext, row.fasttext),
            ] {
                key.map(|key| map.insert(key, index));
            }
            let aliases = column().into_iter().flat_map(|aliases| aliases.split(';'));
            for name in [Some(row.code), Some(row.name), row.everyday, row.iso639_1]
                .into_iter()
                .flatten()
                .chain(aliases)
            {
                table.by_written.insert(written_form(name), index);
            }
            three_letter_codes.push((row.code, index));
            table.rows.push(row);
        }
        for (code, index) in three_letter_codes {
            let usual_script = match &code[..3] {
                "ace" | "bjn" | "knc" | "min" | "taq" => "Latn",
                "arb" | "kas" => "Arab",
                "zho" => "Hans",
                _ => &code[4..],
            };
            if &code[4..] == usual_script {
                table.by_written.insert(code[..3].to_owned(), index);
            }
        }
        table
    }
}

/// The row of a code, looked up at compile time.
pub(super) const fn row_with_code(code: &str) -> u16 {
    let (table, code) = (TABLE.as_bytes(), code.as_bytes());
    let mut at = 0;
    let mut row = 0;
    let mut header = true;
    while at < table.len() {
        if !header {
            let mut same = 0;
            while same < code.len() && table[at + same] == code[same] {
                same += 1;
            }
            if same == code.len() && table[at + same] == b'\t' {
                return row;
            }
            row += 1;
        }
        header = false;
        while table[at] != b'\n' {
            at += 1;
        }
        at += 1;
    }
    panic!("no language of FLORES-200 has this code")
}
