//! What is measured in training beside losses, and how it is told: the log and the report say the same
//! in the same words and units.

use std::collections::BTreeMap;

/// Unit of a share from 0 to 1, which is shown in per cent.
pub const SHARE: &str = "share";

/// A quantity among the parts of a [`Metric`](super::Metric) that is no loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    /// Its name there. Its part is called `KEY`, or `OWNER.KEY` if several tasks or languages have one.
    pub key: &'static str,
    /// Its name for readers, as a heading.
    pub title: &'static str,
    /// Its unit; empty for none.
    pub unit: &'static str,
}

impl Quantity {
    /// All quantities.
    pub const ALL: [Quantity; 7] = [
        Self::new("accuracy", "Accuracy", SHARE),
        Self::new("macro_f1", "Macro-F1", SHARE),
        Self::new("chrf++", "chrF++ of held-out answers", ""),
        Self::new(
            "off_target",
            "Held-out questions answered in another language",
            SHARE,
        ),
        Self::new("divergence", "Divergence from the teacher (KL)", "nats"),
        Self::new("fvu", "Fraction of variance unexplained (FVU)", ""),
        Self::new("retrieval", "Retrieval of translations", SHARE),
    ];

    const fn new(key: &'static str, title: &'static str, unit: &'static str) -> Self {
        Self { key, title, unit }
    }

    /// The owner, if one is named, and the quantity of a part; `None` if it is a loss.
    pub fn of(part: &str) -> Option<(Option<&str>, Quantity)> {
        let (owner, key) = match part.rsplit_once('.') {
            Some((owner, key)) => (Some(owner), key),
            None => (None, part),
        };
        let quantity = Self::ALL.into_iter().find(|known| known.key == key)?;
        Some((owner, quantity))
    }

    /// Its name within a line.
    fn name(&self) -> String {
        let mut letters = self.title.chars();
        let first = letters.next().into_iter().flat_map(char::to_lowercase);
        first.chain(letters).collect()
    }

    /// `value` with its unit.
    pub fn shown(&self, value: f64) -> String {
        match self.unit {
            SHARE => format!("{:.1} %", 100.0 * value),
            "" => format!("{value:.3}"),
            unit => format!("{value:.3} {unit}"),
        }
    }
}

/// The parts of an evaluation in a line: losses by name, then other quantities by title, each first
/// as a whole and then by owner.
pub fn described(parts: &super::Losses) -> String {
    type Values = (Option<String>, Vec<String>);
    let (mut losses, mut others) = (Vec::new(), BTreeMap::<String, Values>::new());
    for (part, value) in parts {
        let Some((owner, quantity)) = Quantity::of(part) else {
            losses.push(format!("{part} {value:.3}"));
            continue;
        };
        let (whole, owned) = others.entry(quantity.name()).or_default();
        let value = quantity.shown(*value);
        match owner {
            None => *whole = Some(value),
            Some(owner) => owned.push(format!("{owner} {value}")),
        }
    }
    let losses = match losses.is_empty() {
        true => String::new(),
        false => format!(" ({})", losses.join(", ")),
    };
    let others = others.into_iter().map(|(name, (whole, owned))| {
        let overall = if owned.is_empty() { "" } else { " overall" };
        let whole = whole.map(|value| value + overall);
        let values: Vec<String> = whole.into_iter().chain(owned).collect();
        format!("; {name}: {}", values.join(", "))
    });
    losses + &others.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_with_their_units() {
        let parts = [
            ("TT", 1.25),
            ("off_target", 0.0),
            ("cat_Latn.off_target", 0.25),
            ("por_Latn.off_target", 0.125),
            ("chrf++", 31.5),
            ("LL.divergence", 0.5),
        ];
        let parts = parts.map(|(name, value)| (name.to_owned(), value)).into();
        assert_eq!(
            described(&parts),
            " (TT 1.250); chrF++ of held-out answers: 31.500; divergence from the teacher (KL): LL \
             0.500 nats; held-out questions answered in another language: 0.0 % overall, \
             cat_Latn 25.0 %, por_Latn 12.5 %"
        );
        assert_eq!(described(&super::super::Losses::new()), "");
    }
}
