//! The systems that are compared. A new one is an entry here.

/// A way to classify texts in many languages with training data in one.
#[derive(Debug, PartialEq, Eq)]
pub struct System {
    /// Name in the config, in the names of folders and in `report.json`.
    pub name: &'static str,
    /// Title in the report.
    pub title: &'static str,
    /// Description for the report, a noun phrase.
    pub about: &'static str,
    /// Whether it reads test sets translated into the language of the training data.
    pub translates: bool,
}

/// The encoder stacked under the LLM, after task distillation.
pub const MT_LLM: System = System {
    name: "mt-llm",
    title: "MT-LLM",
    about: "the encoder stacked under the LLM by self-distillation",
    translates: false,
};

/// The same, with the encoder's states centred in each language.
pub const MT_LLM_CENTRED: System = System {
    name: "mt-llm-centred",
    title: "MT-LLM, centred",
    about: "the same stack, without what the encoder's states say of the language alone",
    translates: false,
};

/// The stack after stage 1, fine-tuned on the task instead of distilled.
pub const FINE_TUNED_STACK: System = System {
    name: "fine-tuned-stack",
    title: "Fine-tuned stack",
    about: "the stack after stage 1, fine-tuned on the task's labels instead of distilled",
    translates: false,
};

/// A classifier that is no stack and compared with none.
pub const CLASSIFIER: System = System {
    name: "classifier",
    title: "Classifier",
    about: "the fine-tuned classifier",
    translates: false,
};

/// The encoder with a head of its own, trained on the same data.
pub const ENCODER_ALONE: System = System {
    name: "encoder-alone",
    title: "Encoder alone",
    about: "the encoder with a head of its own, fine-tuned on the same data",
    translates: false,
};

/// The LLM that was fine-tuned on the task, given the text as it is.
pub const LLM_ZERO_SHOT: System = System {
    name: "llm-zero-shot",
    title: "LLM, zero-shot",
    about: "the LLM fine-tuned on the task, given the text as it is",
    translates: false,
};

/// The same, given translations.
pub const TRANSLATE_TEST: System = System {
    name: "translate-test",
    title: "Translate-test",
    about: "the LLM fine-tuned on the task, given a translation of the text",
    translates: true,
};

/// All systems, in the order of a report. The first one that an evaluation has is compared with its
/// others; rows are shown that the first of the others reads differently.
pub const ALL: &[&System] = &[
    &MT_LLM,
    &CLASSIFIER,
    &ENCODER_ALONE,
    &MT_LLM_CENTRED,
    &FINE_TUNED_STACK,
    &LLM_ZERO_SHOT,
    &TRANSLATE_TEST,
];

impl System {
    /// The system called `name`.
    pub fn named(name: &str) -> Option<&'static System> {
        ALL.iter().copied().find(|system| system.name == name)
    }

    /// Its position in a report.
    pub(crate) fn position(name: &str) -> usize {
        let position = ALL.iter().position(|system| system.name == name);
        position.unwrap_or(ALL.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_found_by_their_names_which_fit_folders() {
        for system in ALL {
            assert_eq!(System::named(system.name), Some(*system));
            let plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(system.name.chars().all(plain), "{}", system.name);
        }
        assert_eq!(System::position("llm-zero-shot"), 5);
    }
}
