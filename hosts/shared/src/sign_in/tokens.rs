//! Who an issuer's token names: signature by the issuer's published keys, issuer, audience, times and nonce.
//!
//! Keys change: one that is not known is looked for again at the issuer's, but not more often than every ten
//! seconds, so that invented key ids cost nothing.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use switchboard_bridges::web_chat::Issuer;
use switchboard_core::{Failure, Http, Timestamp, Verified};
use tracing::info;

use super::keys::ALGORITHMS;
use crate::http::Client;

/// How long what the issuer publishes is believed.
const FRESH: Duration = Duration::from_secs(3600);
/// How often an unknown key is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// What the issuer publishes about itself. <https://openid.net/specs/openid-connect-discovery-1_0.html>
#[derive(Debug, Deserialize)]
pub(super) struct Discovered {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    jwks_uri: String,
}

struct Fresh<T> {
    value: Arc<T>,
    at: Instant,
}

type Kept<T> = RwLock<Option<Fresh<T>>>;

/// See the module.
pub(super) struct Tokens {
    issuer: Issuer,
    http: Client,
    discovered: Kept<Discovered>,
    keys: Kept<JwkSet>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    #[serde(default)]
    aud: Audience,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    token_use: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    preferred_username: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<serde_json::Value>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default, rename = "cognito:groups")]
    cognito_groups: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Audience {
    #[default]
    Nobody,
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn has(&self, client: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::One(one) => one == client,
            Self::Many(many) => many.iter().any(|one| one == client),
        }
    }
}

fn refused(why: &str) -> Failure {
    Failure::refuse_as(401, "signed_out", format!("the token is not taken: {why}"))
}

fn kept<T>(kept: &Kept<T>) -> Option<(Arc<T>, Duration)> {
    let kept = kept.read().unwrap_or_else(PoisonError::into_inner);
    kept.as_ref().map(|fresh| (Arc::clone(&fresh.value), fresh.at.elapsed()))
}

impl Tokens {
    pub(super) fn new(issuer: Issuer, http: Client) -> Self {
        Self { issuer, http, discovered: RwLock::default(), keys: RwLock::default() }
    }

    /// What the issuer publishes about itself.
    ///
    /// # Errors
    /// [`Failure::Retry`] when it does not answer, or does not say who it is.
    pub(super) async fn discover(&self) -> Result<Arc<Discovered>, Failure> {
        if let Some((value, age)) = kept(&self.discovered)
            && age < FRESH
        {
            return Ok(value);
        }
        let base = self.issuer.issuer.trim_end_matches('/');
        let place = format!("{}/.well-known/openid-configuration", self.issuer.place());
        let found: Discovered = self.fetch(&place).await?;
        if found.issuer.trim_end_matches('/') != base {
            return Err(Failure::retry(format!("the issuer calls itself {}, not {base}", found.issuer)));
        }
        Ok(keep(&self.discovered, found))
    }

    async fn keys(&self, at_most: Duration) -> Result<Arc<JwkSet>, Failure> {
        if let Some((value, age)) = kept(&self.keys)
            && age < at_most
        {
            return Ok(value);
        }
        let discovered = self.discover().await?;
        let found: JwkSet = self.fetch(&discovered.jwks_uri).await?;
        info!(keys = found.keys.len(), "the issuer's keys were read");
        Ok(keep(&self.keys, found))
    }

    async fn fetch<T: DeserializeOwned>(&self, address: &str) -> Result<T, Failure> {
        let request = http::Request::get(address).header("accept", "application/json").body(Bytes::new());
        let request = request.map_err(|_| Failure::bug("the issuer names no address"))?;
        let answer = self.http.send(request).await;
        let answer = answer.map_err(|error| Failure::retry(format!("the issuer: {error}")))?;
        if !answer.status().is_success() {
            return Err(Failure::retry(format!("the issuer answered {}", answer.status())));
        }
        serde_json::from_slice(answer.body())
            .map_err(|error| Failure::retry(format!("the issuer's answer cannot be read: {error}")))
    }

    /// Who the token names. With `nonce` it is an id_token that was asked for with it.
    ///
    /// # Errors
    /// [`Failure::Refuse`] with 401 for whatever is wrong with it; [`Failure::Retry`] when the issuer does not
    /// answer.
    pub(super) async fn verify(
        &self,
        token: &str,
        nonce: Option<&str>,
        now: Timestamp,
    ) -> Result<Verified, Failure> {
        if token.len() > MAX_TOKEN {
            return Err(refused("it is too long"));
        }
        // An unknown algorithm, `none` among them, is no header that can be read.
        let header = decode_header(token).map_err(|_| refused("it is no token, or of no known algorithm"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refused("its algorithm is not taken"));
        }
        let kid = header.kid.ok_or_else(|| refused("it names no key"))?;
        let mut keys = self.keys(FRESH).await?;
        if keys.find(&kid).is_none() {
            keys = self.keys(LOOK_AGAIN).await?;
        }
        let key = keys.find(&kid).ok_or_else(|| refused("the issuer has no such key"))?;
        let key = DecodingKey::from_jwk(key).map_err(|_| refused("its key is of no known kind"))?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.issuer.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.validate_nbf = true;
        // Some issuers' access tokens have no audience; whom it is for is looked at below, always.
        validation.validate_aud = false;
        let claims: Claims =
            decode(token, &key, &validation).map_err(|error| refused(&format!("{error}")))?.claims;
        self.is_for_us(&claims, nonce)?;
        let verified_email = claims.email_verified.as_ref().is_some_and(|it| it == true || it == "true");
        let email = claims.email.clone().filter(|_| verified_email);
        let mut known_as = vec![claims.sub.clone()];
        known_as.extend(email.clone());
        known_as.extend(claims.groups);
        known_as.extend(claims.cognito_groups);
        let local = email.as_deref().and_then(|email| email.split('@').next()).map(str::to_owned);
        let name = claims.name.or(claims.preferred_username).or(claims.username).or(local);
        let expires_at = Timestamp::from_secs(claims.exp);
        if expires_at <= now {
            return Err(refused("it is over"));
        }
        Ok(Verified {
            issuer: self.issuer.issuer.clone(),
            name: name.unwrap_or_else(|| claims.sub.clone()),
            subject: claims.sub,
            known_as,
            expires_at,
        })
    }

    fn is_for_us(&self, claims: &Claims, nonce: Option<&str>) -> Result<(), Failure> {
        let client = &self.issuer.client_id;
        // An id_token, by its audience. Cognito says besides what a token is for.
        let identity = claims.aud.has(client)
            && claims.azp.as_ref().is_none_or(|azp| azp == client)
            && claims.token_use.as_ref().is_none_or(|used| used == "id");
        match nonce {
            Some(nonce) if claims.nonce.as_deref() != Some(nonce) => {
                Err(refused("it answers another question"))
            }
            Some(_) if !identity => Err(refused("it is for another client")),
            Some(_) => Ok(()),
            None => {
                // Cognito's access tokens: no audience, but `client_id` and `token_use`.
                let access = claims.client_id.as_ref() == Some(client)
                    && claims.token_use.as_deref() == Some("access");
                if identity || access { Ok(()) } else { Err(refused("it is for another client")) }
            }
        }
    }
}

fn keep<T>(kept: &Kept<T>, value: T) -> Arc<T> {
    let value = Arc::new(value);
    let fresh = Fresh { value: Arc::clone(&value), at: Instant::now() };
    *kept.write().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
    value
}
