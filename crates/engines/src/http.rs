//! JSON over HTTP, for engines that run on servers: a time limit per request, retries with growing
//! pauses, and a maximum number of requests in flight.
//!
//! Headers, keys and query strings never appear in a message or a log.

mod address;
mod in_flight;
mod server_url;
mod tolerance;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use std::{fmt, io};

use backon::{BackoffBuilder, ExponentialBuilder};
use corpus::plain_words::in_plain_words;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode, header};

use crate::choice::KeyError;

pub(crate) use in_flight::map_in_flight;
pub use server_url::ServerUrl;
pub(crate) use tolerance::Tolerance;

/// How requests are sent; nothing here changes what a server answers.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpOptions {
    /// Maximum duration of a request, from the connection to the last byte of the answer.
    pub timeout: Duration,
    /// Number of retries after a temporary failure.
    pub retries: usize,
    /// Pause before the first retry; each further pause is twice as long, with jitter, unless the
    /// server asks for its own (`Retry-After`).
    pub first_pause: Duration,
    /// Maximum number of requests in flight.
    pub in_flight: usize,
    /// Maximum share of requests that may fail alone before the engine gives up.
    pub max_failed_share: f64,
}

impl HttpOptions {
    /// As configs name them.
    pub(crate) fn of(
        timeout_seconds: u64,
        retries: usize,
        in_flight: usize,
        max_failed_share: f64,
    ) -> Self {
        Self {
            timeout: Duration::from_secs(timeout_seconds.max(1)),
            retries,
            in_flight,
            max_failed_share,
            ..Self::default()
        }
    }
}

impl Default for HttpOptions {
    /// Two minutes, five retries from half a second, eight requests in flight, of which a fifth may
    /// fail.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            retries: 5,
            first_pause: Duration::from_millis(500),
            in_flight: 8,
            max_failed_share: MAX_FAILED_SHARE,
        }
    }
}

/// Fails if `max_failed_share` is no share.
pub(crate) fn check_share(max_failed_share: f64) -> Result<(), KeyError> {
    match (0.0..=1.0).contains(&max_failed_share) {
        true => Ok(()),
        false => Err(KeyError::new(
            "max_failed_share",
            "it must be between 0 and 1",
        )),
    }
}

/// Maximum pause between two tries, even if the server asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The share of requests that may fail unless the config says otherwise.
pub(crate) const MAX_FAILED_SHARE: f64 = 0.2;
/// Bytes of an answer besides its text: the rest of the JSON, and messages of errors.
const FRAME: u64 = 1 << 20;
/// Maximum length of a quotation from an unexpected answer.
const QUOTED: usize = 200;

/// An address that accepts and returns JSON.
pub(crate) struct JsonEndpoint {
    agent: Agent,
    url: String,
    /// The address as messages show it: without user, password and query.
    shown: String,
    key: Option<String>,
    options: HttpOptions,
    /// The requests that succeeded and failed; callers decide what counts as failed.
    pub tolerance: Tolerance,
    /// Whether it has ever answered: until then, a refused connection is a wrong address or a server
    /// that does not run, and no passing trouble.
    has_answered: AtomicBool,
}

/// Error returned by a failed request.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What went wrong and what to change.
    pub message: String,
    /// The status of the server's answer, if there was one.
    pub status: Option<u16>,
    /// The server's own words.
    pub body: String,
    /// Whether it concerns this request alone: another one may well succeed.
    pub alone: bool,
    may_pass: bool,
    retry_after: Option<Duration>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    fn new(message: String, may_pass: bool) -> Self {
        Self {
            message,
            status: None,
            body: String::new(),
            alone: false,
            may_pass,
            retry_after: None,
        }
    }

    /// A failure of this request alone.
    pub fn alone(message: String, may_pass: bool) -> Self {
        Self {
            alone: true,
            ..Self::new(message, may_pass)
        }
    }
}

impl JsonEndpoint {
    /// An endpoint at `url`; `key` is sent as a bearer token. Fails with a reason if the address is
    /// invalid or only a proxy leads there that is not supported.
    pub fn new(url: &str, key: Option<String>, options: HttpOptions) -> Result<Self, String> {
        let shown = address::shown(url)?;
        address::check_proxy(url)?;
        let config = Agent::config_builder()
            .timeout_global(Some(options.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("xldistill/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            agent: config.into(),
            url: url.to_owned(),
            shown,
            key,
            tolerance: Tolerance::new(options.max_failed_share),
            has_answered: AtomicBool::new(false),
            options,
        })
    }

    /// The address as messages may show it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Sends `body` and returns the JSON of the answer, with retries if the failure may be
    /// temporary: no connection to a server that has answered before, no answer in time, status 408, 429 or 5xx, or an answer that is
    /// not JSON, as broken proxies send. An error reported with status 200 counts as that error.
    /// The text of the answer may have `expected_bytes`; a much larger answer is not read.
    pub fn post(&self, body: &Value, expected_bytes: usize) -> Result<Value, Failure> {
        let largest = FRAME.saturating_add(expected_bytes as u64);
        let body = body.to_string();
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(self.options.first_pause)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(self.options.retries)
            .with_jitter()
            .build();
        loop {
            let failure = match self.attempt(&body, largest) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let pause = match pauses.next() {
                Some(pause) if failure.may_pass => failure.retry_after.unwrap_or(pause),
                _ => return Err(failure),
            };
            let pause = pause.min(LONGEST_PAUSE);
            tracing::warn!("{failure}; retrying in {:.1} s", pause.as_secs_f64());
            thread::sleep(pause);
        }
    }

    fn attempt(&self, body: &str, largest: u64) -> Result<Value, Failure> {
        let mut request = self
            .agent
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json");
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let mut response = request.send(body).map_err(|e| self.unreachable(&e))?;
        self.has_answered.store(true, Ordering::Relaxed);
        let read = response.body_mut().with_config().limit(largest);
        let bytes = read.read_to_vec().map_err(|e| self.unreachable(&e))?;
        let text = String::from_utf8_lossy(&bytes);
        if !response.status().is_success() {
            return Err(self.refused(response.status(), response.headers(), &text));
        }
        let answer: Value = serde_json::from_str(&text).map_err(|error| {
            let url = &self.shown;
            let what = match text.trim().is_empty() {
                true => "an empty answer".to_owned(),
                false => format!("{}, which is not JSON ({error})", self.quoted(&text)),
            };
            Failure::alone(
                format!("{url} sent {what}; check that this is the address of the right server"),
                true,
            )
        })?;
        match answer.get("error") {
            None | Some(Value::Null) => Ok(answer),
            Some(error) => {
                let code = ["code", "status"]
                    .iter()
                    .find_map(|key| error.get(key)?.as_u64());
                let status = code.and_then(|code| StatusCode::from_u16(code.try_into().ok()?).ok());
                let status = status.filter(|status| status.as_u16() >= 400);
                let status = status.unwrap_or(StatusCode::BAD_REQUEST);
                Err(self.refused(status, response.headers(), &text))
            }
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let url = &self.shown;
        match error {
            ureq::Error::Timeout(_) => {
                let seconds = self.options.timeout.as_secs_f64();
                Failure::new(
                    format!(
                        "{url} gave no answer within {seconds} s; raise timeout_seconds or lower in_flight"
                    ),
                    true,
                )
            }
            ureq::Error::BodyExceedsLimit(limit) => Failure::alone(
                format!(
                    "{url} sent more than {limit} bytes, far more than was asked for; check that \
                     this is the address of the right server"
                ),
                false,
            ),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => Failure::new(
                format!("{url} is not a valid address; check the url"),
                false,
            ),
            error => {
                let is_absent = match error {
                    ureq::Error::HostNotFound => true,
                    ureq::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
                    _ => false,
                };
                let fault = match error {
                    ureq::Error::Io(error) => error.to_string(),
                    error => error.to_string(),
                };
                Failure::new(
                    format!(
                        "{url} cannot be reached: {}; check that the server is running there",
                        in_plain_words(&self.without_key(&fault))
                    ),
                    !is_absent || self.has_answered.load(Ordering::Relaxed),
                )
            }
        }
    }

    fn refused(&self, status: StatusCode, headers: &HeaderMap, text: &str) -> Failure {
        let url = &self.shown;
        let advice = match status.as_u16() {
            300..=399 => "use the address it redirects to",
            401 | 403 => "check the key (OPENAI_API_KEY)",
            // Servers with several models say so of the name of one, too.
            404 if text.to_lowercase().contains("model") => {
                "check server_model, and the path of the url"
            }
            404 | 405 => "check the path of the url",
            413 => "lower batch_size",
            429 => "lower in_flight",
            500.. => "see the server's log",
            _ => "see the server's message",
        };
        Failure {
            message: format!("{url} answered {status}: {}; {advice}", self.quoted(text)),
            status: Some(status.as_u16()),
            body: self.without_key(text),
            // Servers answer some questions with an internal error, and others well.
            alone: matches!(status.as_u16(), 400 | 406 | 409 | 411..=428 | 430..=500),
            may_pass: matches!(status.as_u16(), 408 | 429 | 500..),
            retry_after: retry_after(headers),
        }
    }

    /// The beginning of the server's answer, on one line and without the key.
    pub fn quoted(&self, text: &str) -> String {
        let text = self.without_key(text);
        let words: Vec<&str> = text.split_whitespace().collect();
        let line = words.join(" ");
        match line.char_indices().nth(QUOTED) {
            Some((end, _)) => format!("{:?}…", &line[..end]),
            None => format!("{line:?}"),
        }
    }

    /// `text` with a mark in place of the key, which some servers echo.
    pub fn without_key(&self, text: &str) -> String {
        match &self.key {
            Some(key) if !key.is_empty() => text.replace(key.as_str(), "[key]"),
            _ => text.to_owned(),
        }
    }
}

/// The pause that the server asks for, in seconds; a date is converted to the time from now.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
            let distance = date.duration_since(jiff::Timestamp::now());
            Some(Duration::try_from(distance).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_pause_is_read_in_both_forms() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(of("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        for value in ["soon", "-3", "NaN", "inf"] {
            assert_eq!(of(value), None, "{value}");
        }
    }
}
