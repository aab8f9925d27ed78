//! Slack's signature: `v0=` and the HMAC-SHA-256 of `v0:<time>:<body>`, over the raw bytes of the body.
//! <https://docs.slack.dev/authentication/verifying-requests-from-slack>

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use switchboard_core::{Failure, Secret, Timestamp};

/// How far a request's time may be from ours, in seconds, before and after: Slack's own advice.
const MAX_SKEW_SECS: i64 = 300;

/// Is this from Slack, and sent now? The signature covers the raw bytes of the body.
///
/// # Errors
/// [`Failure::Refuse`] with 403 and the reason.
pub(super) fn verify(
    secrets: &[Secret],
    request: &http::Request<Bytes>,
    now: Timestamp,
) -> Result<(), Failure> {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.ok_or_else(|| Failure::refuse(403, format!("no {name} header")))
    };
    let signature = header("x-slack-signature")?;
    let time = header("x-slack-request-timestamp")?;
    let sent: i64 = time.parse().map_err(|_| Failure::refuse(403, "the request's time is not a number"))?;
    let age = now.secs().saturating_sub(sent);
    if age > MAX_SKEW_SECS {
        return Err(Failure::refuse(403, format!("the request is stale: signed {age} s ago")));
    }
    if age < -MAX_SKEW_SECS {
        return Err(Failure::refuse(
            403,
            format!("the request is from the future: {} s ahead", age.saturating_neg()),
        ));
    }
    if secrets.is_empty() {
        return Err(Failure::refuse(403, "SLACK_SIGNING_SECRET is not set: no request can be verified"));
    }
    let expected = signature.strip_prefix("v0=").and_then(|digits| hex::decode(digits).ok());
    let expected = expected.ok_or_else(|| Failure::refuse(403, "the signature is not v0=<hexadecimal>"))?;
    // Every secret is tried, the same way, and compared in constant time.
    let matches = secrets.iter().filter(|secret| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(b"v0:");
        mac.update(time.as_bytes());
        mac.update(b":");
        mac.update(request.body());
        mac.verify_slice(&expected).is_ok()
    });
    if matches.count() == 0 {
        return Err(Failure::refuse(403, "the signature does not match"));
    }
    Ok(())
}
