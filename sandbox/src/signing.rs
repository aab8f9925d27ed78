//! The two providers' webhook signatures, made as the providers make them.
//!
//! Twilio: <https://www.twilio.com/docs/usage/security#validating-requests>.
//! Slack: <https://docs.slack.dev/authentication/verifying-requests-from-slack>.
//! Checking a signature is the hub's work and is not here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// `X-Twilio-Signature`: base64 of HMAC-SHA1 over the URL and the sorted parameters, name and value run
/// together. A repeated name's values are sorted and repeats among them are dropped.
pub(crate) fn twilio(auth_token: &str, url: &str, parameters: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = parameters.iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut mac = hmac_sha1(auth_token.as_bytes());
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// `X-Slack-Signature`: `v0=` and the hexadecimal HMAC-SHA256 over `v0:timestamp:body`.
pub(crate) fn slack(signing_secret: &str, timestamp: &str, body: &[u8]) -> String {
    let mut mac = hmac_sha256(signing_secret.as_bytes());
    for part in [b"v0:".as_slice(), timestamp.as_bytes(), b":", body] {
        mac.update(part);
    }
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

/// Signs the sandbox's own short-lived links; nobody else has to understand it.
pub(crate) fn link(secret: &str, what: &str) -> String {
    let mut mac = hmac_sha256(secret.as_bytes());
    mac.update(what.as_bytes());
    hex::encode(&mac.finalize().into_bytes()[..16])
}

fn hmac_sha1(key: &[u8]) -> Hmac<Sha1> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

fn hmac_sha256(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Twilio {
        token: String,
        /// The form of the cases that name no other.
        body: String,
        cases: Vec<TwilioCase>,
    }

    #[derive(Deserialize)]
    struct TwilioCase {
        name: String,
        base: String,
        path: String,
        /// The URL that is signed, where it is written otherwise than the request's.
        signed: Option<String>,
        body: Option<String>,
        /// Its hash is in the query, and it has no parameters.
        json: Option<String>,
        signature: String,
        #[serde(default)]
        refused: bool,
    }

    #[test]
    fn twilio_signatures_are_those_of_its_own_sdks() {
        let fixture: Twilio =
            serde_json::from_str(include_str!("../../fixtures/twilio/signatures.json")).unwrap();
        for case in fixture.cases {
            let url = case.signed.unwrap_or_else(|| format!("{}{}", case.base, case.path));
            let body = case.body.as_ref().unwrap_or(&fixture.body).as_bytes();
            let parameters: Vec<(String, String)> = match case.json {
                Some(_) => Vec::new(),
                None => form_urlencoded::parse(body).into_owned().collect(),
            };
            let signature = super::twilio(&fixture.token, &url, &parameters);
            assert_eq!(signature != case.signature, case.refused, "{}", case.name);
        }
    }

    #[derive(Deserialize)]
    struct Slack {
        signing_secret: String,
        timestamp: String,
        body: String,
        signature: String,
    }

    #[test]
    fn slack_signatures_are_those_of_its_own_sdks() {
        let fixture: Slack =
            serde_json::from_str(include_str!("../../fixtures/slack/signature_vector.json")).unwrap();
        let signature = super::slack(&fixture.signing_secret, &fixture.timestamp, fixture.body.as_bytes());
        assert_eq!(signature, fixture.signature);
    }
}
