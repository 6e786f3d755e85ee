//! Tab- and comma-separated text (RFC 4180), with the line of every row.

use std::path::Path;

use super::LabelledError;

/// The cells of a row.
pub type Row = Vec<Vec<u8>>;

/// The rows of `text`: the line on which each begins, from 1, and its cells. Blank lines are passed
/// over.
///
/// With `quoted`, a cell that begins with a quote lasts until the next single quote, doubled quotes
/// stand for one, and line breaks within belong to the cell. Without it, a quote is a character
/// like any other, as in GLUE's files.
///
/// # Errors
/// [`LabelledError::OpenQuote`] if a quote is never closed, with the line of its row.
pub fn rows(
    text: &[u8],
    separator: u8,
    quoted: bool,
    path: &Path,
) -> Result<Vec<(u64, Row)>, LabelledError> {
    let mut rows = Vec::new();
    let (mut line, mut at) = (1, 0);
    while at < text.len() {
        let (begins, mut cells) = (line, Vec::new());
        loop {
            let mut cell = Vec::new();
            if quoted && text.get(at) == Some(&b'"') {
                at += 1;
                loop {
                    match (text.get(at), text.get(at + 1)) {
                        (Some(b'"'), Some(b'"')) => {
                            cell.push(b'"');
                            at += 2;
                        }
                        (Some(b'"'), _) => break,
                        (Some(&byte), _) => {
                            line += u64::from(byte == b'\n');
                            cell.push(byte);
                            at += 1;
                        }
                        (None, _) => {
                            return Err(LabelledError::OpenQuote {
                                path: path.to_owned(),
                                line: begins,
                            });
                        }
                    }
                }
                at += 1;
            }
            let end = text[at.min(text.len())..]
                .iter()
                .position(|&byte| byte == separator || byte == b'\n')
                .map_or(text.len(), |length| at + length);
            cell.extend_from_slice(&text[at.min(end)..end]);
            at = end + 1;
            let ends_row = text.get(end) != Some(&separator);
            if ends_row && cell.last() == Some(&b'\r') {
                cell.pop();
            }
            cells.push(cell);
            if ends_row {
                break;
            }
        }
        line += 1;
        let is_blank = cells.len() == 1 && cells[0].iter().all(u8::is_ascii_whitespace);
        if !is_blank {
            rows.push((begins, cells));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, separator: u8, quoted: bool) -> Vec<(u64, Vec<String>)> {
        let rows = rows(text.as_bytes(), separator, quoted, Path::new("file")).unwrap();
        let text = |cell| String::from_utf8(cell).unwrap();
        rows.into_iter()
            .map(|(line, cells)| (line, cells.into_iter().map(text).collect()))
            .collect()
    }

    #[test]
    fn quoted_cells_keep_separators_quotes_and_line_breaks() {
        let text = "a,\"b, \"\"c\"\"\"\r\n\n\"two\nlines\",\r\nlast, 5\" wide";
        let expected = [
            (1, vec!["a", "b, \"c\""]),
            (3, vec!["two\nlines", ""]),
            (5, vec!["last", " 5\" wide"]),
        ];
        let expected =
            expected.map(|(line, cells)| (line, cells.iter().map(|c| c.to_string()).collect()));
        assert_eq!(read(text, b',', true), expected);
    }

    #[test]
    fn without_quoting_a_quote_is_text() {
        let expected = vec![(1, vec!["\"So".to_owned(), "it\" goes".to_owned()])];
        assert_eq!(read("\"So\tit\" goes\n", b'\t', false), expected);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error_with_its_line() {
        let error = rows(b"a,b\n\"c,d\ne,f\n", b',', true, Path::new("x.csv")).unwrap_err();
        assert!(error.to_string().starts_with("x.csv:2: "), "{error}");
    }
}
