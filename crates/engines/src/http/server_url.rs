//! The address of a server in a config.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::choice::KeyError;

/// Stands for a user, a password or the values of a query.
const HIDDEN: &str = "[hidden]";

/// The address of a server. Only the server sees its user, password and query: what is written or
/// printed, such as the `config.toml` of a run, has a mark in their place.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The whole address.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Fails if this is no address, or one as it was printed.
    pub(crate) fn check(&self) -> Result<(), KeyError> {
        if self.0.trim().is_empty() {
            let message = "is empty; name the server, e.g. http://localhost:8000";
            return Err(KeyError::new("url", message));
        }
        match self.0.contains(HIDDEN) {
            false => Ok(()),
            true => Err(KeyError::new(
                "url",
                "its user, password or query was hidden when it was written; put it back in place \
                 of [hidden]",
            )),
        }
    }

    /// The address with marks in place of user, password and query.
    fn hidden(&self) -> String {
        let (scheme, rest) = match self.0.split_once("://") {
            Some((scheme, rest)) => (format!("{scheme}://"), rest),
            None => (String::new(), self.0.as_str()),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = match authority.rsplit_once('@') {
            Some((_, host)) => format!("{HIDDEN}@{host}"),
            None => authority.to_owned(),
        };
        let path = match path.find(['?', '#']) {
            Some(query) => format!("{}?{HIDDEN}", &path[..query]),
            None => path.to_owned(),
        };
        format!("{scheme}{authority}{path}")
    }
}

impl From<&str> for ServerUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.hidden())
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hidden())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_is_no_address() {
        let error = ServerUrl::from(" ").check().expect_err("no address");
        assert!(error.to_string().starts_with("url: is empty"), "{error}");
    }

    #[test]
    fn what_is_written_has_no_user_password_or_query() {
        for (url, written) in [
            ("http://localhost:8000/v1", "http://localhost:8000/v1"),
            (
                "https://me:se@cret@host:1/v1?key=secret#secret",
                "https://[hidden]@host:1/v1?[hidden]",
            ),
            ("https://secret@host", "https://[hidden]@host"),
            ("https://host?api_key=secret", "https://host?[hidden]"),
            ("me:secret@host/v1", "[hidden]@host/v1"),
        ] {
            let url = ServerUrl::from(url);
            let json = serde_json::to_string(&url).expect("a string");
            assert_eq!(json, format!("{written:?}"));
            assert_eq!(format!("{url:?}"), format!("{written:?}"));
            let again: ServerUrl = serde_json::from_str(&json).expect("a string");
            assert_eq!(
                again.check().is_ok(),
                !written.contains("hidden"),
                "{written}"
            );
        }
    }
}
