//! Signing in with an account of an issuer: OpenID Connect, authorization code with PKCE.
//!
//! ```text
//!   browser ── /api/session/oidc/start ──▶ issuer ── /api/session/oidc/callback?code ──▶ hub ── code, verifier ──▶ issuer
//!                                                                                         ◀── id_token ──
//! ```
//! The host verifies who somebody is; their session is the chat's (`web_chat::sign_in`). What was asked of the issuer
//! is kept in a cookie of the browser that asked, signed by the hub and good for ten minutes: nothing is remembered
//! here, so the answer may come to another process, and after a restart. An answer counts once because the issuer
//! takes its code once. Protocol: <https://openid.net/specs/openid-connect-core-1_0.html>,
//! <https://www.rfc-editor.org/rfc/rfc7636> (PKCE).
//!
//! `tokens` verifies what an issuer has signed, `keys` does the arithmetic by ring, `failed` is what a browser finds
//! where it did not work.

mod failed;
mod keys;
mod tokens;

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use switchboard_bridges::web_chat::Issuer;
use switchboard_core::store::to_json;
use switchboard_core::{Failure, Http, Links, Nonce, Reply, Secret, Timestamp};
use url::Url;

use crate::http::Client;
pub use failed::failed;
pub use keys::install;
use tokens::Tokens;

/// How long somebody may take at the issuer's.
const WITHIN: Duration = Duration::from_secs(600);
/// Where the browser goes to begin.
pub const START: &str = "/api/session/oidc/start";
/// Where the issuer sends it back.
pub const CALLBACK: &str = "/api/session/oidc/callback";
/// The cookie that ties an answer to the browser that asked.
const COOKIE: &str = "switchboard_oidc";
/// Longest path that somebody comes back to; a cookie holds 4096 bytes.
const MAX_NEXT: usize = 1000;

/// What was asked of the issuer for one browser.
#[derive(Serialize, Deserialize)]
struct Asked {
    state: String,
    nonce: String,
    verifier: String,
    redirect: String,
    next: String,
    until: Timestamp,
}

/// See the module.
pub struct SignIn {
    issuer: Issuer,
    secret: Option<Secret>,
    http: Client,
    tokens: Tokens,
    links: Links,
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

fn not_signed_in(code: &'static str, reason: &str) -> Failure {
    Failure::refuse_as(401, code, format!("signing in did not work: {reason}"))
}

fn cookie(value: &str, seconds: u64, base: &str) -> (String, String) {
    let secure = if base.starts_with("https://") { "; Secure" } else { "" };
    let kept = format!(
        "{COOKIE}={value}; Path=/api/session/oidc; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
    );
    ("set-cookie".to_owned(), kept)
}

fn redirect(to: String, headers: impl IntoIterator<Item = (String, String)>) -> Reply {
    let headers = [("location".to_owned(), to)].into_iter().chain(headers).collect();
    Reply { status: 303, headers, ..Reply::empty() }
}

impl SignIn {
    /// With this issuer; `secret` where it gave the hub one. `links` signs what was asked.
    pub fn new(issuer: Issuer, secret: Option<Secret>, http: Client, links: Links) -> Self {
        let tokens = Tokens::new(issuer.clone(), http.clone());
        Self { issuer, secret, http, tokens, links }
    }

    /// Begins: sends the browser to the issuer. `base` is the hub's own address, as the browser sees it.
    ///
    /// # Errors
    /// [`Failure::Retry`] when the issuer does not answer.
    pub async fn start(
        &self,
        base: &str,
        request: &http::Request<Bytes>,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let discovered = self.tokens.discover().await?;
        let (state, nonce, verifier) = (random(), random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let back = format!("{base}{CALLBACK}");
        let mut to: Url = discovered
            .authorization_endpoint
            .parse()
            .map_err(|_| Failure::bug("the issuer's authorization_endpoint is no address"))?;
        to.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.issuer.client_id)
            .append_pair("redirect_uri", &back)
            .append_pair("scope", "openid profile email")
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let next = query(request).remove("next").filter(|next| is_own_path(next));
        let next = next.unwrap_or_else(|| "/".to_owned());
        let asked = Asked { state, nonce, verifier, redirect: back, next, until: now.plus(WITHIN) };
        let payload = URL_SAFE_NO_PAD.encode(to_json(&asked)?);
        let signature = self.links.sign("oidc", &[&payload]);
        Ok(redirect(to.into(), [cookie(&format!("{payload}.{signature}"), WITHIN.as_secs(), base)]))
    }

    /// What was asked for the browser of this request, unless it was too long ago.
    fn asked(&self, request: &http::Request<Bytes>, now: Timestamp) -> Option<Asked> {
        let given = request.headers().get_all(http::header::COOKIE).iter();
        let given = given.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
        let given = given.map(str::trim).find_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('='))?;
        let (payload, signature) = given.split_once('.')?;
        if !self.links.verify("oidc", &[payload], signature) {
            return None;
        }
        let asked: Asked = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        (asked.until > now).then_some(asked)
    }

    /// The issuer's answer has come: the request by which the chat begins the session of whom it names, and where they
    /// wanted to go.
    ///
    /// # Errors
    /// [`Failure::Refuse`] with 401 when it does not prove who it is.
    pub async fn finish(
        &self,
        request: &http::Request<Bytes>,
        now: Timestamp,
    ) -> Result<(http::Request<Bytes>, String), Failure> {
        let given = query(request);
        let asked = self.asked(request, now).filter(|asked| given.get("state") == Some(&asked.state));
        let asked = asked
            .ok_or_else(|| not_signed_in(failed::LATE, "another browser began it, or it took too long"))?;
        let code = given.get("code").ok_or_else(|| {
            let said: String =
                given.get("error").map_or("no code", String::as_str).chars().take(80).collect();
            not_signed_in(failed::REFUSED, &format!("the issuer said {said}"))
        })?;
        let token = self.exchange(code, &asked).await?;
        let verified = self.tokens.verify(&token, Some(&asked.nonce), now).await?;
        let mut asking = http::Request::new(Bytes::new());
        *asking.uri_mut() = http::Uri::from_static(CALLBACK);
        asking.headers_mut().clone_from(request.headers());
        asking.extensions_mut().insert(Nonce(rand::random()));
        asking.extensions_mut().insert(verified);
        Ok((asking, asked.next))
    }

    /// The answer to the browser once its session has begun, with the session's cookies.
    pub fn begun(session: Reply, next: String, base: &str) -> Reply {
        redirect(next, session.headers.into_iter().chain([cookie("", 0, base)]))
    }

    /// Who a bearer token names.
    ///
    /// # Errors
    /// [`Failure::Refuse`] with 401 when it is none of ours.
    pub async fn bearer(&self, token: &str, now: Timestamp) -> Result<switchboard_core::Verified, Failure> {
        self.tokens.verify(token, None, now).await
    }

    fn code_request(
        &self,
        endpoint: &str,
        code: &str,
        asked: &Asked,
    ) -> Result<http::Request<Bytes>, Failure> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &asked.redirect)
            .append_pair("code_verifier", &asked.verifier);
        let mut request = http::Request::post(endpoint)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json");
        match &self.secret {
            None => {
                form.append_pair("client_id", &self.issuer.client_id);
            }
            Some(secret) => {
                // Both parts are written as in a form first: RFC 6749, 2.3.1.
                let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", part(&self.issuer.client_id), part(secret.expose()));
                request = request.header("authorization", format!("Basic {}", STANDARD.encode(pair)));
            }
        }
        request
            .body(Bytes::from(form.finish()))
            .map_err(|_| Failure::bug("the issuer's token_endpoint is no address"))
    }

    /// Gives the code for a token. RFC 6749, 4.1.3.
    async fn exchange(&self, code: &str, asked: &Asked) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            id_token: String,
        }
        let discovered = self.tokens.discover().await?;
        let request = self.code_request(&discovered.token_endpoint, code, asked)?;
        let answer = self.http.send(request).await.map_err(|error| Failure::retry(error.to_string()))?;
        if !answer.status().is_success() {
            return Err(not_signed_in("signed_out", "the issuer did not take the code"));
        }
        let answer: Result<Answer, _> = serde_json::from_slice(answer.body());
        answer
            .map(|answer| answer.id_token)
            .map_err(|_| not_signed_in("signed_out", "the issuer gave no id_token"))
    }
}

fn query(request: &http::Request<Bytes>) -> HashMap<String, String> {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The token of an `Authorization: Bearer` header.
pub fn bearer(headers: &http::HeaderMap) -> Option<&str> {
    headers.get(http::header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// A path of this origin: nothing that a browser reads as another host.
fn is_own_path(path: &str) -> bool {
    path.len() <= MAX_NEXT
        && path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains(['\\', '\r', '\n', '\t'])
        && path.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site_after_signing_in() {
        for good in ["/", "/?room=lobby", "/alarms"] {
            assert!(is_own_path(good), "{good}");
        }
        for bad in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil", "evil"] {
            assert!(!is_own_path(bad), "{bad}");
        }
    }
}
