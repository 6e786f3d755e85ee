//! A request to an LLM: a conversation or plain text, and what is wanted after it.

/// A conversation or a text, to be continued ([`super::Answerer`]) or whose continuations are to be
/// scored ([`super::TextScorer`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What comes before the answer or the continuations.
    pub prompt: Prompt,
    /// Texts whose probabilities after the prompt are wanted, e.g. the choices of a question.
    pub continuations: Vec<String>,
    /// Maximum number of new tokens; `None` leaves it to the engine.
    pub max_new_tokens: Option<usize>,
    /// An answer ends before the first of these texts.
    pub stop: Vec<String>,
}

/// What a model reads before it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, written with the model's chat template after its system prompt. The last
    /// turn is the user's; solved examples (few-shot) come before it as turns of both.
    Chat(Vec<Turn>),
    /// Plain text; empty for the beginning of a text.
    Text(String),
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub speaker: Speaker,
    /// What is said.
    pub text: String,
}

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The human.
    User,
    /// The model.
    Assistant,
}

impl Request {
    /// A single question in a conversation of its own.
    pub fn question(question: impl Into<String>) -> Self {
        Self::few_shot([], question)
    }

    /// A question after solved ones, each a question with its answer.
    pub fn few_shot(
        solved: impl IntoIterator<Item = (String, String)>,
        question: impl Into<String>,
    ) -> Self {
        let turn = |speaker, text| Turn { speaker, text };
        let solved = solved.into_iter().flat_map(|(question, answer)| {
            [
                turn(Speaker::User, question),
                turn(Speaker::Assistant, answer),
            ]
        });
        let turns = solved.chain([turn(Speaker::User, question.into())]);
        Self::after(Prompt::Chat(turns.collect()))
    }

    /// Plain text.
    pub fn text(context: impl Into<String>) -> Self {
        Self::after(Prompt::Text(context.into()))
    }

    fn after(prompt: Prompt) -> Self {
        Self {
            prompt,
            continuations: Vec::new(),
            max_new_tokens: None,
            stop: Vec::new(),
        }
    }

    /// With `continuations` to be scored.
    pub fn with_continuations<T: Into<String>>(
        self,
        continuations: impl IntoIterator<Item = T>,
    ) -> Self {
        let continuations = continuations.into_iter().map(Into::into).collect();
        Self {
            continuations,
            ..self
        }
    }

    /// With at most `max_new_tokens` tokens of an answer.
    pub fn with_budget(self, max_new_tokens: usize) -> Self {
        Self {
            max_new_tokens: Some(max_new_tokens),
            ..self
        }
    }

    /// The last turn of the conversation, or the plain text.
    pub fn last(&self) -> &str {
        match &self.prompt {
            Prompt::Chat(turns) => turns.last().map_or("", |turn| &turn.text),
            Prompt::Text(text) => text,
        }
    }

    /// The part of `answer` before the first stop text; `None` if it holds none.
    ///
    /// ```
    /// use corpus::seam::Request;
    /// let mut request = Request::question("Which letter?");
    /// request.stop = vec!["\n".to_owned(), "###".to_owned()];
    /// assert_eq!(request.before_stop("B ###\n"), Some("B "));
    /// assert_eq!(request.before_stop("B"), None);
    /// ```
    pub fn before_stop<'a>(&self, answer: &'a str) -> Option<&'a str> {
        let ends = self.stop.iter().filter_map(|stop| answer.find(stop));
        ends.min().map(|end| &answer[..end])
    }
}
