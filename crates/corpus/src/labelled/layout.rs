//! The columns of a labelled file.

/// The names of the columns that a file is read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout<'a> {
    /// The columns of the input.
    pub input: Input<'a>,
    /// The column of the label.
    pub label: &'a str,
    /// Columns that together identify a row; without any, rows are numbered.
    pub id: Vec<&'a str>,
    /// The column that names the row's language: rows in another language are passed over.
    pub language: Option<&'a str>,
}

/// The columns of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum Input<'a> {
    /// One text.
    Single(&'a str),
    /// Two texts.
    Pair(&'a str, &'a str),
    /// A question with answers to choose from.
    Choices {
        /// The passage.
        passage: &'a str,
        /// The question.
        question: &'a str,
        /// The answers.
        choices: Vec<&'a str>,
    },
}

impl Layout<'_> {
    /// The columns of the input.
    pub fn input_columns(&self) -> Vec<&str> {
        match &self.input {
            Input::Single(text) => vec![text],
            Input::Pair(first, second) => vec![first, second],
            Input::Choices {
                passage,
                question,
                choices,
            } => {
                let before = [*passage, *question].into_iter();
                before.chain(choices.iter().copied()).collect()
            }
        }
    }

    /// Number of answers to choose from; 0 if the labels have names.
    pub fn choices(&self) -> usize {
        match &self.input {
            Input::Choices { choices, .. } => choices.len(),
            _ => 0,
        }
    }
}
