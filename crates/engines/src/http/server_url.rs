//! The address of a server in a config.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::address;
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
        if self.0.contains(HIDDEN) {
            let message = "its user, password or query was hidden when it was written; put it back \
                           in place of [hidden]";
            return Err(KeyError::new("url", message));
        }
        address::shown(&self.0).map(drop).map_err(|_| {
            let message = format!(
                "{} is not the address of a server, which begins with http:// or https://, e.g. \
                 http://localhost:8000",
                self.hidden()
            );
            KeyError::new("url", message)
        })
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
    fn what_is_no_address_is_refused() {
        for (url, said) in [
            (" ", "url: is empty"),
            ("ftp://x", "url: ftp://x is not the address of a server"),
            ("localhost:8000", "url: localhost:8000 is not the address"),
            ("http://", "url: http:// is not the address"),
            (
                "https://me:secret word@host",
                "url: https://[hidden]@host is not",
            ),
        ] {
            let error = ServerUrl::from(url).check().expect_err("no address");
            assert!(error.to_string().starts_with(said), "{error}");
        }
        for url in [
            "http://localhost:8000/v1",
            "https://[::1]:8000",
            "http://me:word@host/?key=x",
        ] {
            ServerUrl::from(url).check().expect("an address");
        }
    }

    #[test]
    fn an_address_without_secrets_is_written_as_it_is() {
        let url = ServerUrl::from("http://localhost:8000/v1");
        let json = serde_json::to_string(&url).expect("a string");
        assert_eq!(json, r#""http://localhost:8000/v1""#);
    }

    #[test]
    fn what_is_written_has_no_user_password_or_query() {
        for (url, written) in [
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
            let hidden = again.check().expect_err("not whole").to_string();
            assert!(hidden.contains("put it back"), "{hidden}");
        }
    }
}
