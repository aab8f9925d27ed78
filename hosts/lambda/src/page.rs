//! What the doors of the hub's own pages need besides: from where they may be knocked at, and who an issuer's accounts
//! are.

use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, header};
use switchboard_bridges::Settings;
use switchboard_bridges::web_chat::Chat;
use switchboard_core::{Admission, Failure, Nonce, Reply, Secret, Timestamp, What};
use switchboard_hosts::http::Client;
use switchboard_hosts::pages::wants_page;
use switchboard_hosts::sign_in::{CALLBACK, START, SignIn, bearer, failed};

use crate::settle::{Origin, Settler};

/// The header by which our own distribution says that a request came through it.
const EDGE: &str = "x-switchboard-edge";

/// See the module.
pub(crate) struct Page {
    pub(crate) limits: Chat,
    /// The pages' own address, without a slash at the end.
    base: String,
    edge: Option<Secret>,
    sign_in: Option<Arc<SignIn>>,
}

impl Page {
    pub(crate) fn new(settings: &Settings, http: Client) -> Result<Self> {
        let limits = Chat::read(settings)?;
        let secret = settings.get("OIDC_CLIENT_SECRET").map(Secret::new);
        let sign_in = limits.oidc.clone().map(|issuer| {
            switchboard_hosts::sign_in::install();
            Arc::new(SignIn::new(issuer, secret, http, settings.links.clone()))
        });
        let edge = settings.get("SWITCHBOARD_EDGE").map(Secret::new);
        Ok(Self { limits, base: settings.links.base().to_owned(), edge, sign_in })
    }

    /// Does a request come from the hub's own page, or from no browser? API Gateway answers to no other name than its
    /// own, so only the page's is to be looked at.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let own = match text("origin") {
            Some(origin) => {
                let named = |host: &String| origin.strip_prefix("https://") == Some(host);
                origin.eq_ignore_ascii_case(&self.base) || self.limits.hosts.iter().any(named)
            }
            None => matches!(text("sec-fetch-site"), None | Some("same-origin" | "none")),
        };
        if own { Ok(()) } else { Err(Failure::refuse(403, "not from another site's page")) }
    }

    /// Who a request comes from: whoever API Gateway sees, or behind our own distribution whoever that has seen.
    pub(crate) fn address(&self, headers: &HeaderMap, peer: &str) -> String {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let through = self.edge.as_ref().is_some_and(|edge| text(EDGE) == Some(edge.expose()));
        // The distribution adds who it has seen, and API Gateway adds the distribution.
        let seen = || text("x-forwarded-for")?.rsplit(',').nth(1).map(|address| address.trim().to_owned());
        if through { seen().unwrap_or_else(|| peer.to_owned()) } else { peer.to_owned() }
    }

    /// Makes a request at a page's door one that the bridge can admit: from our own page, with fresh randomness, and
    /// with who a bearer's token names.
    pub(crate) async fn let_in(
        &self,
        request: &mut http::Request<Bytes>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.check(request.headers())?;
        request.extensions_mut().insert(Nonce(rand::random()));
        if let Some(token) = bearer(request.headers()) {
            let issuer = self.sign_in.as_ref().ok_or_else(|| {
                Failure::refuse_as(401, "signed_out", "no issuer of accounts is configured")
            })?;
            let verified = issuer.bearer(token, now).await?;
            request.extensions_mut().insert(verified);
        }
        Ok(())
    }

    /// The browser's way to the issuer and back; `None` for any other path. Both are top-level navigations, without an
    /// `Origin`.
    pub(crate) async fn sign_in(
        &self,
        settler: &Settler,
        request: &http::Request<Bytes>,
    ) -> Option<Result<Reply, Failure>> {
        let path = request.uri().path();
        if path != START && path != CALLBACK {
            return None;
        }
        if request.method() != http::Method::GET {
            return Some(Err(Failure::refuse(405, "not a method of this door")));
        }
        let reply = match &self.sign_in {
            None => Err(Failure::refuse(404, "no issuer of accounts is configured")),
            Some(issuer) if path == START => issuer.start(&self.base, request, crate::now()).await,
            Some(issuer) => self.come_back(settler, issuer, request).await,
        };
        Some(match reply {
            Err(failure) if wants_page(request.headers()) => Ok(failed(&failure)),
            reply => reply,
        })
    }

    async fn come_back(
        &self,
        settler: &Settler,
        issuer: &SignIn,
        request: &http::Request<Bytes>,
    ) -> Result<Reply, Failure> {
        let (mut asking, next) = issuer.finish(request, crate::now()).await?;
        asking
            .headers_mut()
            .insert(header::ORIGIN, self.base.parse().map_err(|_| Failure::bug("no address"))?);
        let Admission::Once(arrival) = settler.bridge.admit("web_chat.page", &asking, crate::now())? else {
            return Err(Failure::bug("a session begins once"));
        };
        let origin = Origin { listener: "web_chat.page".to_owned(), arrival };
        let session = settler.answer_once(&origin, What::Request(&asking)).await?;
        Ok(SignIn::begun(session, next, &self.base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn page(toml: &str, environment: &[(&str, &str)]) -> Page {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Page::new(&Settings::for_tests(toml, environment), Client::new().unwrap()).unwrap()
    }

    #[test]
    fn only_our_own_page_and_who_is_no_browser_may_knock() {
        let page = page("[chat]\nhosts = [\"chat.example\"]\n", &[]);
        for good in [
            &[][..],
            &[("origin", "https://hub.example")],
            &[("origin", "https://chat.example")],
            &[("sec-fetch-site", "same-origin")],
        ] {
            assert!(page.check(&headers(good)).is_ok(), "{good:?}");
        }
        for bad in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "http://chat.example")],
            &[("origin", "https://hub.example.evil.example")],
            &[("origin", "null")],
            &[("sec-fetch-site", "cross-site")],
        ] {
            assert!(page.check(&headers(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_is_believed_of_our_own_distribution_only() {
        let page = page("", &[("SWITCHBOARD_EDGE", "ours")]);
        let forwarded = ("x-forwarded-for", "203.0.113.9, 198.51.100.7, 192.0.2.1");
        assert_eq!(page.address(&headers(&[forwarded, (EDGE, "ours")]), "192.0.2.1"), "198.51.100.7");
        assert_eq!(page.address(&headers(&[forwarded, (EDGE, "another")]), "192.0.2.1"), "192.0.2.1");
        assert_eq!(page.address(&headers(&[forwarded]), "192.0.2.1"), "192.0.2.1");
    }
}
