//! The hosts of a provider as an operator writes them: where its API is, and which of them have its files. A bridge's
//! credentials go to these and to no other.

use url::{Host, Url};

use crate::settings::{ConfigError, Settings, shown};

/// Reads what stands before `/<before>` in the addresses of an API: https, or http to this machine.
///
/// # Errors
/// The value cannot be right, or would send the credentials unencrypted.
pub(crate) fn api_base(
    settings: &Settings,
    name: &str,
    before: &str,
    usual: &str,
) -> Result<Url, ConfigError> {
    let bad = |why: &str| {
        settings.wrong(name, why).mend(format!("write what stands before {before}, such as {usual}"))
    };
    let url = Url::parse(settings.get(name).unwrap_or(usual)).map_err(|_| bad("is no URL"))?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !plain || url.password().is_some() || url.host().is_none() {
        return Err(bad("has more than scheme, host, port and path"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(bad("would send the credentials unencrypted: only https, or http to this machine")),
    }
}

/// Is it this machine?
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A host that has files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPattern {
    host: String,
    port: Option<u16>,
    below: bool,
}

impl HostPattern {
    /// Reads a list of `host`, `host:port` or `*.domain`.
    ///
    /// # Errors
    /// An entry is none of these.
    pub(crate) fn list(
        settings: &Settings,
        path: [&str; 2],
        texts: &[String],
    ) -> Result<Vec<Self>, ConfigError> {
        let [section, key] = path;
        let read = |(nth, text): (usize, &String)| {
            Self::parse(text).ok_or_else(|| {
                settings
                    .fault(&[section, key, &nth.to_string()], format!("{:?} is no host", shown(text)))
                    .mend("write host, host:port or *.domain, such as \"*.example.com\"")
            })
        };
        texts.iter().enumerate().map(read).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let (rest, below) = text.strip_prefix("*.").map_or((text, false), |rest| (rest, true));
        let url = Url::parse(&format!("https://{rest}/")).ok()?;
        let host = url.host_str()?.to_owned();
        let plain = url.path() == "/" && url.username().is_empty() && url.query().is_none();
        let well_formed = plain && url.fragment().is_none() && !rest.contains(['*', '/', '@']);
        (well_formed && (!below || host.contains('.'))).then(|| Self { host, port: url.port(), below })
    }

    /// Is the URL on such a host?
    pub(crate) fn matches(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let named = if self.below {
            host.strip_suffix(&self.host).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
        } else {
            host == self.host
        };
        named && url.port() == self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_they_are_written() {
        for good in ["a.example", "a.example:8443", "*.a.example", "127.0.0.1:9000", "[::1]:9000"] {
            assert!(HostPattern::parse(good).is_some(), "{good}");
        }
        for bad in
            ["", "*", "*.", "*.com", "a.example/x", "https://a.example", "a@b.example", "a.*.example", "a b"]
        {
            assert!(HostPattern::parse(bad).is_none(), "{bad}");
        }
    }
}
