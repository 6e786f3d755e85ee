//! Addresses as messages may show them, and the proxies on the way to them.

use std::env;

use ureq::http::Uri;

/// The address without user, password and query.
pub(crate) fn shown(url: &str) -> Result<String, String> {
    let wrong = || "the url must begin with http:// or https:// and contain a host".to_owned();
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

/// The variables that name proxies, in the order in which the HTTP client reads them.
const PROXIES: [&str; 6] = [
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
];

/// Fails if the environment names a proxy for `url` that the client would ignore, such as SOCKS.
pub(super) fn check_proxy(url: &str) -> Result<(), String> {
    check_proxy_of(url, |name| env::var(name).ok())
}

fn check_proxy_of(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    let set = |name: &&str| variable(name).filter(|value| !value.trim().is_empty());
    let named = PROXIES.iter().find_map(|name| Some((name, set(name)?)));
    let Some((name, proxy)) = named else {
        return Ok(());
    };
    let host = url.parse::<Uri>().ok();
    let host = host.as_ref().and_then(Uri::host).unwrap_or_default();
    let scheme = match proxy.split_once("://") {
        Some((scheme, _)) => scheme.to_lowercase(),
        None => "http".to_owned(),
    };
    let exceptions = ["NO_PROXY", "no_proxy"].iter().find_map(set);
    if ["http", "https"].contains(&scheme.as_str())
        || is_direct(host, &exceptions.unwrap_or_default())
    {
        return Ok(());
    }
    Err(format!(
        "{name} names a {scheme} proxy; only HTTP proxies are supported: name one, or add {host} to \
         NO_PROXY to connect directly"
    ))
}

/// Whether `host` is this machine or one of the `exceptions`.
fn is_direct(host: &str, exceptions: &str) -> bool {
    let local = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    let excepted = |exception: &str| {
        let exception = exception.trim().trim_start_matches(['*', '.']);
        let parent = host.strip_suffix(exception);
        exception.is_empty() || parent.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    local
        || exceptions
            .split(',')
            .filter(|e| !e.trim().is_empty())
            .any(excepted)
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
    fn a_socks_proxy_is_refused_by_name_unless_it_is_not_used() {
        let check = |url, proxy: &'static str, exceptions: &'static str| {
            check_proxy_of(url, |name| match name {
                "ALL_PROXY" => Some(proxy.to_owned()),
                "NO_PROXY" => Some(exceptions.to_owned()),
                _ => None,
            })
        };
        let error = check(
            "https://api.example.com/v1",
            "socks5h://me:secret@h:1080",
            "x.org",
        )
        .expect_err("SOCKS");
        assert!(error.contains("ALL_PROXY names a socks5h proxy"), "{error}");
        assert!(error.contains("add api.example.com to NO_PROXY"), "{error}");
        assert!(!error.contains("secret"), "{error}");
        for (url, proxy, exceptions) in [
            ("https://api.example.com/v1", "http://h:3128", ""),
            ("http://localhost:8000", "socks5://h:1080", ""),
            ("http://127.0.0.1:8000", "socks5://h:1080", ""),
            (
                "https://api.example.com",
                "socks5://h:1080",
                "a.org, .example.com",
            ),
            ("https://api.example.com", "socks5://h:1080", "*"),
            ("https://api.example.com", "", ""),
        ] {
            assert_eq!(
                check(url, proxy, exceptions),
                Ok(()),
                "{url} {proxy} {exceptions}"
            );
        }
        assert!(check("https://notexample.com", "socks5://h", "example.com").is_err());
    }
}
