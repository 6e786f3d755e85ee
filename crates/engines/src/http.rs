//! JSON over HTTP, as the engines that live on servers speak it: a limit on the time of a request,
//! retries with growing pauses, and a bounded number of requests in flight.
//!
//! No header, key or query string ever gets into a message or a log.

mod in_flight;

use std::fmt;
use std::thread;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Response, Uri, header};

pub(crate) use in_flight::map_in_flight;

/// How requests are sent; nothing here changes what a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// The whole time of a request, from the connection to the last byte of the answer.
    pub timeout: Duration,
    /// How often a request is tried again after a failure that may pass.
    pub retries: usize,
    /// The pause before the first retry; each further one is twice as long, with jitter, unless
    /// the server names its own (`Retry-After`).
    pub first_pause: Duration,
    /// Most requests in flight.
    pub in_flight: usize,
}

impl Default for HttpOptions {
    /// Two minutes, five retries from half a second, eight requests in flight.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            retries: 5,
            first_pause: Duration::from_millis(500),
            in_flight: 8,
        }
    }
}

/// The longest pause between two tries, also where the server asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The largest answer that is read.
const LARGEST_ANSWER: u64 = 64 << 20;
/// How much of an unexpected answer is quoted.
const QUOTED: usize = 200;

/// One address that takes and returns JSON.
pub(crate) struct JsonEndpoint {
    agent: Agent,
    url: String,
    /// The address as messages name it: without user, password and query.
    shown: String,
    key: Option<String>,
    options: HttpOptions,
}

/// Why a request failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What went wrong and what to change.
    pub message: String,
    /// The status the server answered with, if it did.
    pub status: Option<u16>,
    /// The server's own words.
    pub body: String,
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
            may_pass,
            retry_after: None,
        }
    }
}

impl JsonEndpoint {
    /// An endpoint at `url`; `key` is sent as a bearer token. The error says what is wrong with
    /// the address.
    pub fn new(url: &str, key: Option<String>, options: HttpOptions) -> Result<Self, String> {
        let shown = shown(url)?;
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
            options,
        })
    }

    /// The address as messages may name it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Sends `body` and returns the JSON of the answer, trying again where the failure may pass:
    /// no connection, no answer in time, 408, 429, 5xx, or an answer that is no JSON, as broken
    /// proxies send.
    pub fn post(&self, body: &Value) -> Result<Value, Failure> {
        let body = body.to_string();
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(self.options.first_pause)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(self.options.retries)
            .with_jitter()
            .build();
        loop {
            let failure = match self.attempt(&body) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let pause = match pauses.next() {
                Some(pause) if failure.may_pass => failure.retry_after.unwrap_or(pause),
                _ => return Err(failure),
            };
            let pause = pause.min(LONGEST_PAUSE);
            tracing::warn!("{failure}; trying again in {:.1} s", pause.as_secs_f64());
            thread::sleep(pause);
        }
    }

    fn attempt(&self, body: &str) -> Result<Value, Failure> {
        let mut request = self
            .agent
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json");
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let mut response = request.send(body).map_err(|e| self.unreachable(&e))?;
        let read = response.body_mut().with_config().limit(LARGEST_ANSWER);
        let bytes = read.read_to_vec().map_err(|e| self.unreachable(&e))?;
        let text = String::from_utf8_lossy(&bytes);
        if !response.status().is_success() {
            return Err(self.refused(&response, &text));
        }
        serde_json::from_str(&text).map_err(|error| {
            let url = &self.shown;
            let what = match text.trim().is_empty() {
                true => "an empty answer".to_owned(),
                false => format!("{}, which is not JSON ({error})", self.quoted(&text)),
            };
            Failure::new(
                format!(
                    "{url} sent {what}; check that this address belongs to the server you mean"
                ),
                true,
            )
        })
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let url = &self.shown;
        match error {
            ureq::Error::Timeout(_) => {
                let seconds = self.options.timeout.as_secs_f64();
                Failure::new(
                    format!(
                        "{url} gave no answer within {seconds} s; raise timeout_seconds, or send less at once (batch_size)"
                    ),
                    true,
                )
            }
            ureq::Error::BodyExceedsLimit(limit) => Failure::new(
                format!("{url} sent more than {limit} bytes; send less at once (batch_size)"),
                false,
            ),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => Failure::new(
                format!("{url} is not an address to send to; check the url"),
                false,
            ),
            error => Failure::new(
                format!(
                    "{url} cannot be reached: {}; is the server running there?",
                    self.without_key(&error.to_string())
                ),
                true,
            ),
        }
    }

    fn refused<B>(&self, response: &Response<B>, text: &str) -> Failure {
        let (url, status) = (&self.shown, response.status());
        let advice = match status.as_u16() {
            300..=399 => "name the address that it points to",
            401 | 403 => "check the key (OPENAI_API_KEY)",
            404 | 405 => "check the path of the url",
            413 => "send less at once (batch_size)",
            429 => "send less at a time (in_flight)",
            500.. => "see the server's own log",
            _ => "see what the server says",
        };
        Failure {
            message: format!("{url} answered {status}: {}; {advice}", self.quoted(text)),
            status: Some(status.as_u16()),
            body: self.without_key(text),
            may_pass: matches!(status.as_u16(), 408 | 429 | 500..),
            retry_after: retry_after(response.headers()),
        }
    }

    /// The beginning of what a server said, on one line.
    fn quoted(&self, text: &str) -> String {
        let text = self.without_key(text);
        let words: Vec<&str> = text.split_whitespace().collect();
        let line = words.join(" ");
        match line.char_indices().nth(QUOTED) {
            Some((end, _)) => format!("{:?}…", &line[..end]),
            None => format!("{line:?}"),
        }
    }

    fn without_key(&self, text: &str) -> String {
        match &self.key {
            Some(key) if !key.is_empty() => text.replace(key.as_str(), "[key]"),
            _ => text.to_owned(),
        }
    }
}

/// The address without user, password and query.
fn shown(url: &str) -> Result<String, String> {
    let wrong = || "the url must begin with http:// or https:// and name a host".to_owned();
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let scheme = uri.scheme_str().filter(|s| ["http", "https"].contains(s));
    let (Some(scheme), Some(host)) = (scheme, uri.host()) else {
        return Err(wrong());
    };
    let port = uri
        .port_u16()
        .map_or(String::new(), |port| format!(":{port}"));
    Ok(format!("{scheme}://{host}{port}{}", uri.path()))
}

/// The pause that the server asks for, in seconds; the form that names a date is read as the
/// distance from now.
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
    fn messages_never_name_user_password_or_query() {
        let url = "https://me:secret@host.example:8443/v1/translate?key=secret";
        assert_eq!(
            shown(url).unwrap(),
            "https://host.example:8443/v1/translate"
        );
        for url in ["", "localhost:8000", "ftp://x/y", "/translate", "http://"] {
            assert!(shown(url).is_err(), "{url}");
        }
    }

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
