//! Rejected rows and parts of rows: never lost, always with a reason.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The reason a stage rejects a row or one of its texts. The stage's runner adds the row itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The field concerned, e.g. `answer.translation`, or `row` for the whole of it.
    pub field: &'static str,
    /// The reason in `snake_case`, one of a small set per stage: manifests and reports count it.
    pub reason: &'static str,
    /// The finding, for a human reader.
    pub detail: String,
}

impl Rejection {
    /// A rejection of `field` because of `reason`.
    pub fn new(field: &'static str, reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            field,
            reason,
            detail: detail.into(),
        }
    }

    /// The line of `rejected.jsonl` for the row that `stage` received as the JSON `row`.
    pub(crate) fn of_row<'a>(
        &'a self,
        id: &'a str,
        stage: &'a str,
        row: &'a RawValue,
    ) -> impl Serialize + use<'a> {
        /// [`Rejected`], with the row as the JSON it already is.
        #[derive(Serialize)]
        struct Line<'a> {
            id: &'a str,
            stage: &'a str,
            field: &'a str,
            reason: &'a str,
            detail: &'a str,
            row: &'a RawValue,
        }
        Line {
            id,
            stage,
            field: self.field,
            reason: self.reason,
            detail: &self.detail,
            row,
        }
    }
}

/// One line of a `rejected.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rejected {
    /// The row's identifier; `FILE:LINE` if the row was too broken to have one.
    pub id: String,
    /// The stage that rejected it, e.g. `source`, `filter`.
    pub stage: String,
    /// The field concerned, or `row`.
    pub field: String,
    /// The reason in `snake_case`.
    pub reason: String,
    /// The finding, for a human reader.
    pub detail: String,
    /// The row as the stage received it; the raw text if it could not be parsed.
    pub row: Value,
}
