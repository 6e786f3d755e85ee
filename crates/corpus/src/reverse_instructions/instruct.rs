//! The instruction that a passage answers, written by the LLM.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fit::Fit;
use crate::asking::{self, Unusable};
use crate::language::Language;
use crate::record::{BackTranslated, Instructed};
use crate::rejected::Rejection;
use crate::seam::{Answerer, EngineIdentity, Request};
use crate::stage::{Outcome, Partial, RowStage, StageError};
use crate::text::words::WordFinder;

/// The place of the text in a prompt.
pub const TEXT: &str = "{text}";

/// Asks for the instruction of a text. It names what weak LLMs get wrong: they sum the text up, or
/// copy it.
pub const DEFAULT_PROMPT: &str = "Write the instruction that the following text answers, in one \
     sentence. Name the topic, and do not quote the text.\n\n{text}";

/// A text whose instruction is known, to show the LLM what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SolvedExample {
    /// The text.
    pub text: String,
    /// The instruction that it answers.
    pub instruction: String,
}

impl SolvedExample {
    /// A story, an explanation, a news item and a description, in English. Without examples, an LLM of 135 million
    /// parameters sums texts up or copies them; with these, it writes instructions. It imitates the
    /// last one most, so that is of the most frequent kind.
    pub fn defaults() -> Vec<SolvedExample> {
        let example = |text: &str, instruction: &str| SolvedExample {
            text: text.to_owned(),
            instruction: instruction.to_owned(),
        };
        vec![
            example(
                "We were supposed to land at noon, but the fog over the airport would not lift. For \
                 two hours we circled above the clouds, and the man beside me told me about every \
                 wedding in his family.",
                "Write the beginning of a story about a flight that is delayed by fog.",
            ),
            example(
                "To keep basil fresh, trim the stems and stand them in a glass of water like \
                 flowers. Cover the leaves loosely with a plastic bag and leave the glass at room \
                 temperature, away from the sun. Change the water every two days.",
                "Explain how to keep fresh basil from wilting.",
            ),
            example(
                "The council voted on Tuesday to close the old bridge to lorries from next month. \
                 Engineers had found cracks in two of its pillars in March. Repairs are expected to \
                 take a year and to cost four million pounds.",
                "Describe the council's decision to close the old bridge to lorries and its reasons.",
            ),
            example(
                "The Lighthouse of Alexandria was built on the island of Pharos in the third century \
                 BC, under Ptolemy II. At more than a hundred metres, it was among the tallest \
                 structures of its time. Earthquakes destroyed it between the 10th and the 14th \
                 century.",
                "Describe the history of the Lighthouse of Alexandria.",
            ),
        ]
    }
}

/// How the LLM is asked, and what it may not write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Writing {
    /// The request, with [`TEXT`] in place of the text.
    pub prompt: String,
    /// Texts with their instructions, shown as earlier turns of the conversation.
    pub examples: Vec<SolvedExample>,
    /// Maximum number of consecutive words that an instruction may share with its text.
    pub max_copied_words: usize,
}

/// Has an LLM write the instruction that each translated passage answers.
///
/// A row whose instruction is unusable as an answer would be (`empty`, `cut_off`, `looping`, …),
/// quotes its text (`copied_stretch`), is that of an example (`copied_example`) or does not fit its
/// text (`poor_fit`) does not go on.
pub struct InstructStage<'a> {
    answerer: &'a dyn Answerer,
    rows_at_once: usize,
    words: WordFinder,
    writing: Writing,
    fit: Option<Fit<'a>>,
}

impl<'a> InstructStage<'a> {
    /// A stage in which `answerer` writes in `source`, the language of the translations.
    /// `rows_at_once` are handed to the LLM together, and are the work that a kill costs at most.
    pub fn new(
        answerer: &'a dyn Answerer,
        rows_at_once: usize,
        source: Language,
        writing: Writing,
    ) -> Self {
        Self {
            answerer,
            rows_at_once,
            words: WordFinder::new(source),
            writing,
            fit: None,
        }
    }

    /// Rejects instructions that do not fit their texts, too.
    pub fn with_fit(self, fit: Fit<'a>) -> Self {
        Self {
            fit: Some(fit),
            ..self
        }
    }

    fn request(&self, row: &BackTranslated) -> Request {
        let prompt = |text: &str| self.writing.prompt.replace(TEXT, text);
        let solved = self.writing.examples.iter();
        let solved = solved.map(|example| (prompt(&example.text), example.instruction.clone()));
        Request::few_shot(solved, prompt(&row.translation))
    }

    fn outcome(
        &self,
        row: &BackTranslated,
        answer: Result<String, Unusable>,
    ) -> Outcome<Instructed> {
        let rejected =
            |reason, detail| Outcome::rejected(Rejection::new("instruction", reason, detail));
        let instruction = match answer {
            Ok(answer) => bare(&answer).to_owned(),
            Err(Unusable { reason, detail }) => return rejected(reason, detail),
        };
        if instruction.is_empty() {
            return rejected("empty", "a label without an instruction".to_owned());
        }
        let mut examples = self.writing.examples.iter();
        if examples.any(|example| example.instruction.trim() == instruction) {
            return rejected("copied_example", instruction);
        }
        if let Some(copied) = self.copied(&row.translation, &instruction) {
            return rejected(
                "copied_stretch",
                format!("{copied:?} is the text's: {instruction}"),
            );
        }
        Outcome::kept(Instructed {
            id: row.id.clone(),
            target: row.target,
            passage: row.passage.clone(),
            translation: row.translation.clone(),
            instruction,
            fit: None,
        })
    }

    /// The first stretch of `text` in `instruction` that is longer than allowed: with it, the answer
    /// would be given away.
    fn copied(&self, text: &str, instruction: &str) -> Option<String> {
        let length = self.writing.max_copied_words.saturating_add(1);
        let words = |text: &str| -> Vec<String> {
            let words = self.words.words(text).into_iter();
            words.map(|word| text[word].to_lowercase()).collect()
        };
        let (text, instruction) = (words(text), words(instruction));
        let mut stretches = instruction.windows(length);
        let copied = stretches.find(|stretch| text.windows(length).any(|own| own == *stretch))?;
        Some(copied.join(" "))
    }
}

/// An instruction without the label or the quotation marks that some LLMs put around it.
fn bare(answer: &str) -> &str {
    const LABEL: &str = "instruction:";
    let text = answer.trim();
    let text = match text.get(..LABEL.len()) {
        Some(start) if start.eq_ignore_ascii_case(LABEL) => text[LABEL.len()..].trim(),
        _ => text,
    };
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains('"') => inner.trim(),
        _ => text,
    }
}

impl RowStage for InstructStage<'_> {
    type Input = BackTranslated;
    type Output = Instructed;

    fn name(&self) -> &'static str {
        "instruct"
    }

    fn version(&self) -> u32 {
        1
    }

    fn parameters(&self) -> Value {
        json!({ "writing": self.writing, "fit": self.fit.as_ref().map(Fit::parameters) })
    }

    fn engines(&self) -> Vec<EngineIdentity> {
        vec![self.answerer.identity()]
    }

    fn chunk_rows(&self) -> usize {
        self.rows_at_once
    }

    fn process(&self, rows: &[BackTranslated]) -> Result<Vec<Outcome<Instructed>>, StageError> {
        self.process_partly(rows).complete()
    }

    fn process_partly(&self, rows: &[BackTranslated]) -> Partial<Instructed> {
        let mut partial = asking::ask(
            self.name(),
            self.answerer,
            rows,
            |row| self.request(row),
            |row, answer| self.outcome(row, answer),
        );
        let judged = self
            .fit
            .as_ref()
            .map(|fit| fit.judge(&mut partial.outcomes));
        match judged {
            Some(Err(error)) => Partial::stopped(error.into()),
            _ => partial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_loses_its_label_and_its_quotation_marks() {
        for (answer, expected) in [
            ("Explain how tides work.", "Explain how tides work."),
            (
                "Instruction: Explain how tides work.",
                "Explain how tides work.",
            ),
            (
                "INSTRUCTION:\n\"Explain how tides work.\"",
                "Explain how tides work.",
            ),
            ("\"Tide\" and \"ebb\"", "\"Tide\" and \"ebb\""),
            ("Instructions for tides", "Instructions for tides"),
            ("\"", "\""),
            ("é", "é"),
        ] {
            assert_eq!(bare(answer), expected);
        }
    }

    #[test]
    fn the_default_prompt_has_a_place_for_the_text() {
        assert_eq!(DEFAULT_PROMPT.matches(TEXT).count(), 1);
    }
}
