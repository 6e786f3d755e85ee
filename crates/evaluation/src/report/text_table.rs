//! A table of plain text that never breaks a row: what does not fit is left out or shortened.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns between two cells.
const GAP: usize = 2;
/// Width below which the first column is not shortened.
const SHORTEST: usize = 16;

/// A table whose first column is left-aligned, the others right-aligned.
#[derive(Debug, Default)]
pub struct TextTable {
    header: Vec<String>,
    /// Columns that may be left out on a narrow terminal, the most dispensable first.
    dispensable: Vec<usize>,
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    /// A heading across all columns.
    Heading(String),
    Cells(Vec<String>),
}

impl TextTable {
    /// A table with these columns, of which those at `dispensable` may be left out in that order.
    pub fn new(header: impl IntoIterator<Item = String>, dispensable: &[usize]) -> Self {
        Self {
            header: header.into_iter().collect(),
            dispensable: dispensable.to_vec(),
            lines: Vec::new(),
        }
    }

    /// Adds a heading across all columns.
    pub fn heading(&mut self, text: &str) {
        self.lines.push(Line::Heading(text.to_owned()));
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.lines.push(Line::Cells(cells.into_iter().collect()));
    }

    /// The table, at most `limit` columns wide: first the headers are broken between words, then
    /// columns are left out, then the first column is shortened.
    pub fn render(&self, limit: usize) -> String {
        let mut columns: Vec<usize> = (0..self.header.len()).collect();
        let mut widths = self.widths(true);
        let total = |widths: &[usize], columns: &[usize]| -> usize {
            columns.iter().map(|&column| widths[column]).sum::<usize>()
                + GAP * columns.len().saturating_sub(1)
        };
        if total(&widths, &columns) > limit {
            widths = self.widths(false);
        }
        let last_resort = (1..self.header.len()).rev();
        for column in self.dispensable.iter().copied().chain(last_resort) {
            let flexible = widths[0].saturating_sub(SHORTEST);
            if total(&widths, &columns) <= limit + flexible || columns.len() <= 2 {
                break;
            }
            columns.retain(|&kept| kept != column);
        }
        let excess = total(&widths, &columns).saturating_sub(limit);
        widths[0] = widths[0].saturating_sub(excess).max(1);

        let width = total(&widths, &columns).min(limit);
        let rule = "─".repeat(width) + "\n";
        let mut text = rule.clone();
        let broken: Vec<Vec<String>> = (self.header.iter().zip(&widths))
            .map(|(title, &width)| broken(title, width))
            .collect();
        let depth = broken.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..depth {
            let cell = |column: usize| {
                let lines: &Vec<String> = &broken[column];
                let missing = depth - lines.len();
                line.checked_sub(missing)
                    .map_or("", |line| lines[line].as_str())
            };
            text += &laid_out(&columns, &widths, cell);
        }
        text += &rule;
        for line in &self.lines {
            text += &match line {
                Line::Heading(heading) => shortened(heading, limit) + "\n",
                Line::Cells(cells) => {
                    let cell = |column: usize| cells.get(column).map_or("", String::as_str);
                    laid_out(&columns, &widths, cell)
                }
            };
        }
        text + &rule
    }

    /// The width of each column, with the headers on one line or broken between words.
    fn widths(&self, whole_headers: bool) -> Vec<usize> {
        let of_header = |title: &String| match whole_headers {
            true => title.width(),
            false => title
                .split(' ')
                .map(UnicodeWidthStr::width)
                .max()
                .unwrap_or(0),
        };
        let mut widths: Vec<usize> = self.header.iter().map(of_header).collect();
        for line in &self.lines {
            if let Line::Cells(cells) = line {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(cell.width());
                }
            }
        }
        widths
    }
}

fn laid_out<'c>(columns: &[usize], widths: &[usize], cell: impl Fn(usize) -> &'c str) -> String {
    let mut line = String::new();
    for (position, &column) in columns.iter().enumerate() {
        let text = shortened(cell(column), widths[column]);
        let padding = " ".repeat(widths[column] - text.width());
        match position {
            0 => line += &(text + &padding),
            _ => line += &(" ".repeat(GAP) + &padding + &text),
        }
    }
    line.trim_end().to_owned() + "\n"
}

/// `text` in lines of at most `width` columns, broken between words.
pub fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let word = shortened(word, width.max(1));
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// `text` cut to `width` columns, with `…` in place of what is lost.
fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(character);
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TextTable {
        let header = ["", "before", "after training", "p"].map(str::to_owned);
        let mut table = TextTable::new(header, &[3]);
        table.heading("Answers to Portuguese questions");
        table
            .row(["  answers in another language", "0.0 %", "50.0 %", "<0.001"].map(str::to_owned));
        table.row(["  回答", "1", "2", "0.5"].map(str::to_owned));
        table
    }

    #[test]
    fn rows_are_never_broken_nor_wider_than_the_limit() {
        for limit in 12..100 {
            let text = table().render(limit);
            assert!(
                text.lines().all(|line| line.width() <= limit),
                "{limit}:\n{text}"
            );
            let rows = text.lines().filter(|line| line.starts_with("  "));
            assert!(rows.count() >= 1, "{limit}:\n{text}");
        }
    }

    #[test]
    fn a_narrow_table_breaks_its_headers_then_leaves_out_columns_then_shortens() {
        let wide = table().render(80);
        assert!(wide.contains("before  after training       p"), "{wide}");
        let lines = table().render(56);
        assert!(
            lines.contains("training") && !lines.contains("after training"),
            "{lines}"
        );
        let narrow = table().render(40);
        assert!(
            !narrow.contains("<0.001") && narrow.contains("50.0 %"),
            "{narrow}"
        );
        assert!(narrow.contains('…'), "{narrow}");
    }

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(broken("one two three", 7), ["one two", "three"]);
        assert_eq!(broken("immeasurable", 5), ["imme…"]);
    }
}
