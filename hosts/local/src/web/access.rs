//! Who may use what is not a provider's door: whoever is on this machine, or holds the hub's token.
//!
//! "On this machine" is more than the peer's address: behind a tunnel or a reverse proxy every request comes
//! from loopback. So the request must also name a loopback host, carry no forwarding header, and, when a
//! browser sends it, come from a page of the hub's own (or a site on the internet could use the hub through a
//! visitor's browser).

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, StatusCode, header};
use subtle::ConstantTimeEq;
use switchboard_core::Secret;

/// The rule.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    token: Option<Secret>,
}

/// By which names browsers reach the hub's own pages, besides this machine's and plain addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageHosts(Vec<String>);

impl PageHosts {
    /// These names.
    pub(crate) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Does a request come from the hub's own page, or from no browser? A page of another site could use the
    /// hub through a visitor's browser otherwise: by its `Origin`, or under a name of its own that it makes lead
    /// here.
    ///
    /// # Errors
    /// The status to answer and why.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
        let text = |name: http::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let host = text(header::HOST).unwrap_or_default();
        let name = host_name(host).to_ascii_lowercase();
        let known = is_loopback_host(host) || name.parse::<IpAddr>().is_ok() || self.0.contains(&name);
        if !known {
            let mend = "not a name of this hub: set PUBLIC_BASE_URL, or name it in [chat] hosts";
            return Err((StatusCode::FORBIDDEN, mend));
        }
        let foreign = (StatusCode::FORBIDDEN, "not from another site's page");
        match text(header::ORIGIN) {
            Some(origin) => {
                let own = origin.strip_prefix("https://").or(origin.strip_prefix("http://"));
                if own.is_some_and(|own| own.eq_ignore_ascii_case(host)) { Ok(()) } else { Err(foreign) }
            }
            None => match headers.get("sec-fetch-site").map(|site| site.to_str().unwrap_or_default()) {
                None | Some("same-origin" | "none") => Ok(()),
                Some(_) => Err(foreign),
            },
        }
    }
}

/// Who a request comes from: the address that the nearest proxy names, where one of this machine does.
pub(crate) fn address_of(peer: Option<Peer>, headers: &HeaderMap) -> IpAddr {
    let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip().to_canonical());
    let named = headers.get_all("x-forwarded-for").iter().next_back();
    let named = named.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    named.filter(|_| peer.is_loopback()).unwrap_or(peer)
}

/// The peer's address, put into each request by the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

const FORWARDED: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

impl Access {
    /// With this token, or loopback only.
    pub(crate) fn new(token: Option<Secret>) -> Self {
        Self { token }
    }

    /// May this request in?
    ///
    /// # Errors
    /// The status to answer and why.
    pub(crate) fn check(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
    ) -> Result<(), (StatusCode, &'static str)> {
        if let Some(given) = headers.get(header::AUTHORIZATION) {
            let given =
                given.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
            let right = self.token.as_ref().is_some_and(|token| {
                !token.expose().is_empty() && bool::from(token.expose().as_bytes().ct_eq(given.as_bytes()))
            });
            return if right { Ok(()) } else { Err((StatusCode::FORBIDDEN, "not the hub's token")) };
        }
        self.check_near(peer, headers)
    }

    /// The same without the token: for paths that have credentials of their own.
    ///
    /// # Errors
    /// The status to answer and why.
    pub(crate) fn check_near(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
    ) -> Result<(), (StatusCode, &'static str)> {
        let near = peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback());
        let forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
        if !near || forwarded || !host.is_some_and(is_loopback_host) {
            return Err((StatusCode::UNAUTHORIZED, "only from this machine, or with the hub's token"));
        }
        match headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or_default()) {
            Some(origin) if origin.strip_prefix("http://") != host => {
                Err((StatusCode::FORBIDDEN, "not from another site's page"))
            }
            _ => Ok(()),
        }
    }
}

/// A `Host` without its port and brackets.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback_host(host: &str) -> bool {
    let name = host_name(host);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, headers: &[(&'static str, &str)]) -> Result<(), u16> {
        let access = Access::new(Some(Secret::new("right")));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        access.check(Some(Peer(peer.parse().unwrap())), &map).map_err(|(status, _)| status.as_u16())
    }

    #[test]
    fn a_page_of_another_site_gets_nothing() {
        let hosts = PageHosts::new(["Hub.example".to_owned()]);
        let check = |headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            headers.iter().for_each(|(name, value)| drop(map.insert(*name, value.parse().unwrap())));
            hosts.check(&map).is_ok()
        };
        for good in [
            &[("host", "127.0.0.1:8080")][..],
            &[("host", "[::1]:8080"), ("origin", "http://[::1]:8080")],
            &[("host", "hub.example"), ("origin", "https://hub.example")],
            &[("host", "192.0.2.7:80"), ("origin", "http://192.0.2.7:80")],
            &[("host", "localhost:1"), ("sec-fetch-site", "same-origin")],
        ] {
            assert!(check(good), "{good:?}");
        }
        for bad in [
            &[][..],
            &[("host", "evil.example")],
            &[("host", "evil.example"), ("origin", "http://evil.example")],
            &[("host", "hub.example"), ("origin", "https://evil.example")],
            &[("host", "hub.example"), ("origin", "null")],
            &[("host", "localhost:1"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!check(bad), "{bad:?}");
        }
    }

    #[test]
    fn this_machine_and_the_token_get_in_and_nobody_else() {
        let near = "127.0.0.1:4000";
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080"] {
            assert_eq!(check(near, &[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(check("[::ffff:127.0.0.1]:4000", &[("host", "localhost")]), Ok(()));
        assert_eq!(check("192.0.2.1:4000", &[("host", "localhost")]), Err(401), "another machine");
        assert_eq!(check(near, &[("host", "hub.example")]), Err(401), "through a tunnel");
        assert_eq!(check(near, &[]), Err(401), "no host");
        assert_eq!(
            check(near, &[("host", "localhost"), ("x-forwarded-for", "192.0.2.1")]),
            Err(401),
            "a proxy"
        );
        assert_eq!(check(near, &[("host", "localhost:1"), ("origin", "http://localhost:1")]), Ok(()));
        assert_eq!(check(near, &[("host", "localhost:1"), ("origin", "https://evil.example")]), Err(403));
        assert_eq!(check(near, &[("host", "localhost:1"), ("origin", "null")]), Err(403));
        let far = "192.0.2.1:4000";
        assert_eq!(check(far, &[("host", "hub.example"), ("authorization", "Bearer right")]), Ok(()));
        for wrong in ["Bearer wrong", "Bearer ", "Basic right", "right"] {
            assert_eq!(check(near, &[("host", "localhost"), ("authorization", wrong)]), Err(403), "{wrong}");
        }
    }

    #[test]
    fn without_a_token_no_token_is_right() {
        let mut map = HeaderMap::new();
        map.insert("authorization", "Bearer ".parse().unwrap());
        let far = Some(Peer("192.0.2.1:1".parse().unwrap()));
        assert!(Access::new(None).check(far, &map).is_err());
        assert!(Access::new(Some(Secret::new(""))).check(far, &map).is_err());
    }
}
