//! A passage, a question and choices as one sequence.

use std::ops::Range;

use super::{EncodedText, TextInputError, longest_first};

/// What stands for an empty choice.
const EMPTY: &str = "None";

/// The text of a question with choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceText {
    /// `{passage} {question}\n1 {first choice}\n2 {second choice}…`
    pub text: String,
    /// The bytes of each choice in it, without its number.
    pub choices: Vec<Range<usize>>,
}

impl ChoiceText {
    /// Lays out the texts. Choices are trimmed; an empty one becomes `None`.
    pub fn new(passage: &str, question: &str, choices: &[String]) -> Self {
        Self::after(format!("{passage} {question}"), choices)
    }

    fn after(context: String, choices: &[String]) -> Self {
        let mut text = context;
        let ranges = choices.iter().enumerate().map(|(index, choice)| {
            let choice = match choice.trim() {
                "" => EMPTY,
                choice => choice,
            };
            text.push_str(&format!("\n{} {choice}", index + 1));
            text.len() - choice.len()..text.len()
        });
        let choices = ranges.collect();
        Self { text, choices }
    }
}

/// The tokens of a text, with the bytes that each stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetTokens {
    /// Token ids, with special tokens.
    pub ids: Vec<u32>,
    /// The type of each token.
    pub types: Vec<u32>,
    /// The bytes of each token; empty for special tokens.
    pub offsets: Vec<Range<usize>>,
}

impl OffsetTokens {
    /// The ends of the tokens that stand for bytes, in order.
    fn ends(&self) -> Vec<usize> {
        let real = self.offsets.iter().filter(|bytes| !bytes.is_empty());
        real.map(|bytes| bytes.end).collect()
    }
}

/// The tokens of each choice, given the bytes of all tokens and of the choices: those that share a
/// byte with it. Like the reference, it goes from right to left.
pub fn choice_spans(offsets: &[Range<usize>], choices: &[Range<usize>]) -> Vec<Vec<u32>> {
    let mut spans = vec![Vec::new(); choices.len()];
    let mut before = choices.len();
    for (index, bytes) in offsets.iter().enumerate().rev() {
        while before > 0 && bytes.end <= choices[before - 1].start && !bytes.is_empty() {
            before -= 1;
        }
        let Some(choice) = before.checked_sub(1) else {
            break;
        };
        if bytes.start < choices[choice].end && bytes.end > choices[choice].start {
            spans[choice].push(index as u32);
        }
    }
    spans.iter_mut().for_each(|span| span.reverse());
    spans
}

/// Encodes a question with `choices` in at most `limit` tokens. If it is longer, passage and
/// question lose tokens at their ends, the longer one first, and the choices stay.
///
/// `tokenize` gives the tokens of a text, special tokens included.
pub fn encode_choices(
    passage: &str,
    question: &str,
    choices: &[String],
    limit: usize,
    tokenize: impl Fn(&str) -> Result<OffsetTokens, TextInputError>,
) -> Result<EncodedText, TextInputError> {
    if choices.is_empty() {
        return Err(TextInputError::NoChoices);
    }
    let encode = |layout: &ChoiceText| -> Result<(OffsetTokens, EncodedText), TextInputError> {
        let tokens = tokenize(&layout.text)?;
        let spans = choice_spans(&tokens.offsets, &layout.choices);
        let encoded = EncodedText {
            ids: tokens.ids.clone(),
            types: tokens.types.clone(),
            spans,
            truncated: false,
            shift: None,
        };
        Ok((tokens, encoded))
    };
    let whole = ChoiceText::new(passage, question, choices);
    let (_, encoded) = encode(&whole)?;
    if encoded.tokens() <= limit {
        return checked(encoded, &whole);
    }
    let block = tokenize(&ChoiceText::after(String::new(), choices).text)?
        .ids
        .len();
    let (passage_ends, question_ends) = (tokenize(passage)?.ends(), tokenize(question)?.ends());
    let mut budget = limit.saturating_sub(block);
    loop {
        let kept = longest_first([passage_ends.len(), question_ends.len()], budget);
        let context = match budget {
            0 => String::new(),
            _ => format!(
                "{} {}",
                beginning(passage, &passage_ends, kept[0]),
                beginning(question, &question_ends, kept[1])
            ),
        };
        let layout = ChoiceText::after(context, choices);
        let (_, mut encoded) = encode(&layout)?;
        let tokens = encoded.tokens();
        if tokens <= limit {
            encoded.truncated = true;
            return checked(encoded, &layout);
        }
        if budget == 0 {
            return Err(TextInputError::LongChoices { tokens, limit });
        }
        budget = budget.saturating_sub(tokens - limit);
    }
}

/// The text of the first `tokens` tokens, given the bytes at which its tokens end.
fn beginning<'t>(text: &'t str, ends: &[usize], tokens: usize) -> &'t str {
    if tokens >= ends.len() {
        return text;
    }
    let mut end = tokens.checked_sub(1).map_or(0, |last| ends[last]);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Fails if a choice has no tokens.
fn checked(encoded: EncodedText, layout: &ChoiceText) -> Result<EncodedText, TextInputError> {
    match encoded.spans.iter().position(Vec::is_empty) {
        None => Ok(encoded),
        Some(index) => Err(TextInputError::EmptyChoice {
            number: index + 1,
            text: layout.text[layout.choices[index].clone()].to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(choices: &[&str]) -> Vec<String> {
        choices.iter().map(|&choice| choice.to_owned()).collect()
    }

    /// A beginning token, then one token for each word with the space or line break before it.
    fn words(text: &str) -> Result<OffsetTokens, TextInputError> {
        let mut tokens = OffsetTokens {
            ids: vec![0],
            types: vec![0],
            offsets: std::iter::once(0..0).collect(),
        };
        let mut start = 0;
        while start < text.len() {
            let rest = &text[start..];
            let word = rest.len() - rest.trim_start().len();
            let end = rest[word..].find(char::is_whitespace);
            let end = end.map_or(text.len(), |end| start + word + end);
            tokens.ids.push(1);
            tokens.types.push(0);
            tokens.offsets.push(start..end);
            start = end;
        }
        Ok(tokens)
    }

    #[test]
    fn a_choice_begins_after_its_number() {
        let layout = ChoiceText::new("P p.", "Q?", &owned(&["yes", "  ", "no no"]));
        assert_eq!(layout.text, "P p. Q?\n1 yes\n2 None\n3 no no");
        let choices: Vec<&str> = (layout.choices.iter())
            .map(|range| &layout.text[range.clone()])
            .collect();
        assert_eq!(choices, ["yes", "None", "no no"]);
        let encoded = encode_choices("P p.", "Q?", &owned(&["yes", "", "no no"]), 99, words);
        // ^ P p. Q? 1 yes 2 None 3 no no
        let spans = [vec![5], vec![7], vec![9, 10]];
        assert_eq!(encoded.unwrap().spans, spans);
    }

    #[test]
    fn a_passage_is_cut_and_the_choices_stay() {
        let choices = owned(&["a b", "c"]);
        let passage = "one two three four five six";
        // 6 + 2 + (1 + 2) + (1 + 1) and the first token: 14.
        let whole = encode_choices(passage, "what then", &choices, 14, words).unwrap();
        assert!(!whole.truncated && whole.tokens() == 14);
        let cut = encode_choices(passage, "what then", &choices, 10, words).unwrap();
        assert!(cut.truncated && cut.tokens() == 10, "{cut:?}");
        assert_eq!(cut.spans, [vec![6, 7], vec![9]]);
        let bare = encode_choices(passage, "what then", &choices, 6, words).unwrap();
        assert_eq!(bare.spans, [vec![2, 3], vec![5]]);
        let error = encode_choices(passage, "what then", &choices, 5, words).unwrap_err();
        assert!(error.to_string().contains("6 tokens"), "{error}");
    }
}
