//! TER (Snover et al. 2006) of a corpus, as sacrebleu 2.6 computes it: Tercom's shifts, and edit
//! distances near the diagonal.

use std::sync::LazyLock;

use regex::Regex;

use super::tokenizer::{is_space, split};
use super::{Aggregate, Metric, SACREBLEU_VERSION, Signature};

mod shifts;

/// TER with its options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ter {
    /// Whether case counts; sacrebleu ignores it by default.
    pub case_sensitive: bool,
    /// Whether punctuation becomes words of its own.
    pub normalized: bool,
    /// Whether punctuation is removed.
    pub no_punct: bool,
    /// Whether Chinese characters are words of their own, if `normalized`, and Asian punctuation is
    /// punctuation.
    pub asian_support: bool,
}

/// Substitutions of Tercom's normalisation, in order.
static WESTERN: LazyLock<[(Regex, &str); 5]> = LazyLock::new(|| {
    let regex = |pattern| Regex::new(pattern).expect("a valid pattern");
    [
        (regex(r"([{-~\[-` -&(-+:-@/])"), " $1 "),
        (regex("'s "), " 's "),
        (regex(r"([^0-9])([\.,])"), "$1 $2 "),
        (regex(r"([\.,])([^0-9])"), " $1 $2"),
        (regex("([0-9])(-)"), "$1 $2 "),
    ]
});

/// Characters that are words of their own, and Asian punctuation.
static ASIAN: LazyLock<[Regex; 6]> = LazyLock::new(|| {
    let regex = |pattern| Regex::new(pattern).expect("a valid pattern");
    [
        regex(r"([\u{4e00}-\u{9fff}\u{3400}-\u{4dbf}])"),
        regex(r"([\u{31c0}-\u{31ef}\u{2e80}-\u{2eff}])"),
        regex(r"([\u{3300}-\u{33ff}\u{f900}-\u{faff}\u{fe30}-\u{fe4f}])"),
        // As in sacrebleu, which means 32FF.
        regex(r"([\u{3200}-\u{3f22}])"),
        regex(r"([\u{3001}\u{3002}\u{3008}-\u{3011}\u{3014}-\u{301f}\u{ff61}-\u{ff65}\u{30fb}])"),
        regex(r"([\u{ff0e}\u{ff0c}\u{ff1f}\u{ff1a}\u{ff1b}\u{ff01}\u{ff02}\u{ff08}\u{ff09}])"),
    ]
});

impl Ter {
    /// The words of `text`, joined by spaces.
    fn preprocess(&self, text: &str) -> String {
        let mut text = text.trim_end_matches(is_space).to_owned();
        if !self.case_sensitive {
            text = text.to_lowercase();
        }
        if self.normalized {
            text = text.replace("\n-", "").replace('\n', " ");
            for (escaped, plain) in [
                ("&quot;", "\""),
                ("&amp;", "&"),
                ("&lt;", "<"),
                ("&gt;", ">"),
            ] {
                text = text.replace(escaped, plain);
            }
            text = format!(" {text} ");
            for (pattern, replacement) in WESTERN.iter() {
                text = pattern.replace_all(&text, *replacement).into_owned();
            }
            if self.asian_support {
                for pattern in ASIAN.iter() {
                    text = pattern.replace_all(&text, " $1 ").into_owned();
                }
            }
        }
        if self.no_punct {
            text.retain(|character| !".,?:;!\"()".contains(character));
            if self.asian_support {
                for pattern in &ASIAN[4..] {
                    text = pattern.replace_all(&text, "").into_owned();
                }
            }
        }
        split(&text).collect::<Vec<_>>().join(" ")
    }
}

impl Metric for Ter {
    fn name(&self) -> String {
        "TER".to_owned()
    }

    /// `[edits, reference length]`: the fewest edits to a reference, and the mean length of the
    /// references.
    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let hypothesis = self.preprocess(hypothesis);
        let hypothesis: Vec<&str> = split(&hypothesis).collect();
        let (mut fewest, mut length) = (None::<usize>, 0);
        for reference in references {
            let reference = self.preprocess(reference);
            let reference: Vec<&str> = split(&reference).collect();
            let edits = shifts::edits(&hypothesis, &reference);
            fewest = Some(fewest.map_or(edits, |fewest| fewest.min(edits)));
            length += reference.len();
        }
        let mean = length as f64 / references.len().max(1) as f64;
        vec![fewest.unwrap_or(0) as f64, mean]
    }

    fn aggregate(&self) -> Aggregate {
        Aggregate::Ter
    }

    fn signature(&self, references: usize) -> Signature {
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        Signature::new(references)
            .with("case", if self.case_sensitive { "mixed" } else { "lc" })
            .with("tok", "tercom")
            .with("norm", yes(self.normalized))
            .with("punct", yes(!self.no_punct))
            .with("asian", yes(self.asian_support))
            .with("version", SACREBLEU_VERSION)
    }

    fn higher_is_better(&self) -> bool {
        false
    }
}
