//! The tokens that a tokenizer names by their role.

use serde_json::Value;

/// The named special tokens; chat templates see them as `bos_token` and so on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecialTokens {
    /// Begins a text.
    pub bos: Option<String>,
    /// Ends a text.
    pub eos: Option<String>,
    /// Stands for anything without a token.
    pub unk: Option<String>,
    /// Pads batches; never a target.
    pub pad: Option<String>,
}

impl SpecialTokens {
    /// Name in `tokenizer_config.json` and text of each token that is set.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("bos_token", &self.bos),
            ("eos_token", &self.eos),
            ("unk_token", &self.unk),
            ("pad_token", &self.pad),
        ]
        .into_iter()
        .filter_map(|(name, token)| Some((name, token.as_deref()?)))
    }

    /// Reads `tokenizer_config.json` or `special_tokens_map.json`: a token is a string or an
    /// object with `content`.
    pub(crate) fn from_json(json: &Value) -> Self {
        let token = |key: &str| {
            let value = json.get(key)?;
            value
                .as_str()
                .or_else(|| value.get("content")?.as_str())
                .map(str::to_owned)
        };
        Self {
            bos: token("bos_token"),
            eos: token("eos_token"),
            unk: token("unk_token"),
            pad: token("pad_token"),
        }
    }

    /// The tokens of `self`, and those of `other` that `self` lacks.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            bos: self.bos.or(other.bos),
            eos: self.eos.or(other.eos),
            unk: self.unk.or(other.unk),
            pad: self.pad.or(other.pad),
        }
    }
}
