//! The kinds of training examples in words.

use corpus::record::Subset;
use maud::{Markup, html};

/// What the model reads and what it learns to write.
pub fn explained(subset: Subset) -> (&'static str, &'static str) {
    match subset {
        Subset::LL => (
            "a question in the source language",
            "the answer in the source language",
        ),
        Subset::TL => (
            "a question in the target language",
            "the answer in the source language",
        ),
        Subset::LT => (
            "a question in the source language",
            "the answer in the target language",
        ),
        Subset::TT => (
            "a question in the target language",
            "the answer in the target language",
        ),
        Subset::Mt => ("a sentence in either language", "its translation"),
        Subset::Comp => (
            "the beginning of a sentence in the target language",
            "the whole sentence",
        ),
        Subset::Native => (
            "an instruction in the target language that was made for a text",
            "the text, as somebody wrote it",
        ),
    }
}

/// The kinds called `names`, each with its meaning; nothing if none is known.
pub fn key<'n>(names: impl Iterator<Item = &'n str>) -> Markup {
    let names: Vec<&str> = names.collect();
    let known = Subset::ALL
        .iter()
        .filter(|subset| names.contains(&subset.name()));
    let known: Vec<&Subset> = known.collect();
    html! {
        @if !known.is_empty() {
            details { summary { "What " (known.iter().map(|subset| subset.name()).collect::<Vec<_>>().join(", ")) " mean" }
                dl.meanings { @for subset in known {
                    @let (reads, writes) = explained(*subset);
                    dt { (subset.name()) } dd { (reads) " → " (writes) }
                } }
            }
        }
    }
}
