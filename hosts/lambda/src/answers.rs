//! What it means when AWS does not take what is published: one table for notices and devices.
//! <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>,
//! <https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_Publish.html>

use std::time::Duration;

use switchboard_core::Failure;

/// How long credentials that were refused are left alone: a person has to mend the role.
const MENDING_PAUSE: Duration = Duration::from_secs(60);

/// The failure that this answer is, of this service about this topic. What AWS says besides its code is not passed on:
/// it quotes what it was given.
pub(crate) fn refused(service: &str, topic: &str, status: u16, code: &str) -> Failure {
    let said = format!("{service} answers {status} {code} for {topic}");
    match (status, code) {
        (429, _) | (_, "Throttling" | "ThrottlingException" | "Throttled" | "KMSThrottling") => {
            Failure::retry(said)
        }
        (404, _) | (_, "NotFound") => {
            Failure::refuse(404, format!("{said} — to mend it: make the topic, or name another"))
        }
        // A request that is signed too late is among these: the clock is not the sender's either.
        (401 | 403, _) | (_, "KMSAccessDenied" | "KMSOptInRequired") => Failure::credentials(
            format!("{said} — to mend it: let the function's role publish to it"),
            MENDING_PAUSE,
        ),
        // The service says that it did nothing.
        (503, _) => Failure::retry(said),
        (500.., _) => Failure::unsure(said),
        // A key that is switched off or away is mended, and then it goes on.
        (_, "KMSDisabled" | "KMSInvalidState" | "KMSNotFound") => Failure::retry(said),
        _ => Failure::bug(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_says_what_its_sender_does_next() {
        for (status, code, kind, credentials) in [
            (429, "Throttled", "retry", false),
            (400, "Throttling", "retry", false),
            (400, "KMSThrottling", "retry", false),
            (400, "KMSDisabled", "retry", false),
            (503, "ServiceUnavailableException", "retry", false),
            (403, "AuthorizationError", "retry", true),
            (403, "ExpiredToken", "retry", true),
            (401, "UnauthorizedException", "retry", true),
            (400, "KMSAccessDenied", "retry", true),
            (404, "NotFound", "refuse", false),
            (500, "InternalError", "unsure", false),
            (504, "", "unsure", false),
            (400, "InvalidParameter", "bug", false),
            (413, "RequestEntityTooLargeException", "bug", false),
        ] {
            let failure = refused("SNS", "alarms", status, code);
            let said = matches!(failure, Failure::Retry { credentials: true, .. });
            assert_eq!((failure.kind(), said), (kind, credentials), "{status} {code}");
        }
    }
}
