//! Whether a labelled file, as a whole, can be what was asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{OTHER_LABEL, Reading, UNLABELLED};
use crate::labelled::{LabelledError, RejectedRow};

/// A larger share of faulty rows is an error. Rows without a label, or with one that the task does
/// not have, are not faulty.
const MAX_FAULTY: f64 = 0.1;

impl Reading<'_> {
    /// Fails if the file as a whole cannot be what was asked for.
    pub(super) fn judge(
        &self,
        languages: &HashMap<String, bool>,
        usable: usize,
        rejected: &[RejectedRow],
    ) -> Result<(), LabelledError> {
        let path = self.path.to_owned();
        if let Some(wanted) = self.wanted.language
            && !languages.is_empty()
            && !languages.values().any(|is_wanted| *is_wanted)
        {
            let found: BTreeSet<&String> = languages.keys().collect();
            let found: Vec<&str> = found.into_iter().map(String::as_str).collect();
            return Err(LabelledError::NoRowsInLanguage {
                path,
                language: format!("{} ({})", wanted.name, wanted.code),
                column: self.layout.language.unwrap_or_default().to_owned(),
                found: found.join(", "),
            });
        }
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for row in rejected {
            *reasons.entry(&row.rejected.reason).or_default() += 1;
        }
        let count = |reason| reasons.get(reason).copied().unwrap_or(0);
        let (unlabelled, other) = (count(UNLABELLED), count(OTHER_LABEL));
        let faulty = rejected.len() - unlabelled - other;
        if faulty as f64 > MAX_FAULTY * (usable + faulty) as f64 {
            let is_faulty = |row: &&RejectedRow| {
                ![UNLABELLED, OTHER_LABEL].contains(&row.rejected.reason.as_str())
            };
            let first = rejected.iter().find(is_faulty).map(|row| &row.rejected);
            let reasons = reasons.iter().map(|(reason, n)| format!("{reason} {n}"));
            return Err(LabelledError::TooManyRejected {
                path,
                faulty,
                rows: usable + rejected.len(),
                reasons: reasons.collect::<Vec<_>>().join(", "),
                first: first.map_or(String::new(), |row| format!("{}: {}", row.id, row.detail)),
            });
        }
        let others: BTreeSet<&str> = (rejected.iter())
            .filter_map(|row| row.label.as_deref())
            .collect();
        if usable == 0 && others.is_empty() {
            return Err(LabelledError::NoLabels {
                path,
                column: self.layout.label.to_owned(),
            });
        }
        if usable == 0 {
            return Err(LabelledError::OtherLabels {
                path,
                found: others.into_iter().map(str::to_owned).collect(),
                expected: self.wanted.labels.unwrap_or_default().to_vec(),
                // The labels of a data set, and the numbers of choices, are not for the user to name.
                can_be_named: self.format.labels.is_empty() && self.layout.choices() == 0,
            });
        }
        Ok(())
    }
}
