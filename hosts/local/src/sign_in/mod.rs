//! Signing in with an account of an issuer: OpenID Connect, authorization code with PKCE.
//!
//! ```text
//!   browser ── /api/session/oidc/start ──▶ issuer ── /api/session/oidc/callback?code ──▶ hub ── code, verifier ──▶ issuer
//!                                                                                         ◀── id_token ──
//! ```
//! The host verifies who somebody is; their session is the chat's (`web_chat::sign_in`). What was asked is kept
//! in memory, for ten minutes, under a random state that only the same browser's cookie repeats. Protocol:
//! <https://openid.net/specs/openid-connect-core-1_0.html>, <https://www.rfc-editor.org/rfc/rfc7636> (PKCE).
//!
//! `tokens` verifies what an issuer has signed, `keys` does the arithmetic by ring.

mod keys;
mod tokens;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use switchboard_bridges::web_chat::Issuer;
use switchboard_core::{Failure, Http, Secret, Timestamp, Verified};
use switchboard_hosts::http::Client;
use url::Url;

pub(crate) use keys::install;
use tokens::Tokens;

/// How long somebody may take at the issuer's.
const WITHIN: Duration = Duration::from_secs(600);
/// Most sign-ins that are under way.
const MAX_ASKED: usize = 10_000;
/// The cookie that ties an answer to the browser that asked.
pub(crate) const COOKIE: &str = "switchboard_oidc";

/// What was asked of the issuer for one browser.
struct Asked {
    nonce: String,
    verifier: String,
    redirect: String,
    next: String,
    at: Instant,
}

/// See the module.
pub(crate) struct SignIn {
    issuer: Issuer,
    secret: Option<Secret>,
    http: Client,
    tokens: Tokens,
    asked: Mutex<HashMap<String, Asked>>,
}

/// Where a browser is sent, and the state for its cookie.
pub(crate) struct Sent {
    pub(crate) to: String,
    pub(crate) state: String,
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

fn not_signed_in(reason: &str) -> Failure {
    Failure::refuse_as(401, "signed_out", format!("signing in did not work: {reason}"))
}

impl SignIn {
    pub(crate) fn new(issuer: Issuer, secret: Option<Secret>, http: Client) -> Self {
        let tokens = Tokens::new(issuer.clone(), http.clone());
        Self { issuer, secret, http, tokens, asked: Mutex::default() }
    }

    /// Begins: where to send the browser. `base` is the hub's own address, as the browser sees it.
    ///
    /// # Errors
    /// [`Failure::Retry`] when the issuer does not answer.
    pub(crate) async fn start(&self, base: &str, next: Option<&str>) -> Result<Sent, Failure> {
        let discovered = self.tokens.discover().await?;
        let (state, nonce, verifier) = (random(), random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let redirect = format!("{base}/api/session/oidc/callback");
        let mut to: Url = discovered
            .authorization_endpoint
            .parse()
            .map_err(|_| Failure::bug("the issuer's authorization_endpoint is no address"))?;
        to.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.issuer.client_id)
            .append_pair("redirect_uri", &redirect)
            .append_pair("scope", "openid profile email")
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let next = next.filter(|next| is_own_path(next)).unwrap_or("/").to_owned();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, asked| asked.at.elapsed() < WITHIN);
        if asked.len() >= MAX_ASKED {
            return Err(Failure::retry("too many are signing in at once"));
        }
        asked.insert(state.clone(), Asked { nonce, verifier, redirect, next, at: Instant::now() });
        Ok(Sent { to: to.into(), state })
    }

    /// The issuer's answer has come: who it is, and where they wanted to go.
    ///
    /// # Errors
    /// [`Failure::Refuse`] with 401 when it does not prove who it is.
    pub(crate) async fn finish(
        &self,
        query: &HashMap<String, String>,
        cookie: Option<&str>,
        now: Timestamp,
    ) -> Result<(Verified, String), Failure> {
        let state = query.get("state").filter(|state| Some(state.as_str()) == cookie);
        let state = state.ok_or_else(|| not_signed_in("another browser began it, or it took too long"))?;
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(state);
        let asked = asked.filter(|asked| asked.at.elapsed() < WITHIN);
        let asked = asked.ok_or_else(|| not_signed_in("it was used already, or it took too long"))?;
        let code = query.get("code").ok_or_else(|| {
            let said: String =
                query.get("error").map_or("no code", String::as_str).chars().take(80).collect();
            not_signed_in(&format!("the issuer said {said}"))
        })?;
        let token = self.exchange(code, &asked).await?;
        let verified = self.tokens.verify(&token, Some(&asked.nonce), now).await?;
        Ok((verified, asked.next))
    }

    /// Who a bearer token names.
    ///
    /// # Errors
    /// [`Failure::Refuse`] with 401 when it is none of ours.
    pub(crate) async fn bearer(&self, token: &str, now: Timestamp) -> Result<Verified, Failure> {
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
            return Err(not_signed_in("the issuer did not take the code"));
        }
        let answer: Result<Answer, _> = serde_json::from_slice(answer.body());
        answer.map(|answer| answer.id_token).map_err(|_| not_signed_in("the issuer gave no id_token"))
    }
}

/// A path of this origin: nothing that a browser reads as another host.
fn is_own_path(path: &str) -> bool {
    path.starts_with('/')
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
