//! Twilio's error codes: what each means and what to do. The one table for its answers and its callbacks.
//!
//! <https://www.twilio.com/docs/api/errors>. Twilio's own sentences are not passed on: they quote numbers.

use std::time::Duration;

/// What to do about an answer with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The phone wants no texts from us: take note.
    OptedOut,
    /// This phone or this text cannot be: report it as failed.
    Failed,
    /// The same, and the operator should know: it may be so of more texts.
    Noteworthy,
    /// The same, and somebody must act: two machines answer each other.
    Loop,
    /// Something of the operator's is to be mended: dead letter, to be redriven after that.
    Mend,
    /// Not now; not before this has passed, unless the answer says when. Where Twilio had taken the text and its
    /// carrier has not, it is sent once more after so long.
    Later(Duration),
    /// Not with these credentials.
    Credentials,
    /// We asked for something that cannot be.
    Bug,
}

/// How long credentials that were refused are left alone: a person has to mend them.
pub(super) const MENDING_PAUSE: Duration = Duration::from_secs(60);

const fn later(seconds: u64) -> Verdict {
    Verdict::Later(Duration::from_secs(seconds))
}

const TABLE: &[(u32, Verdict, &str)] = &[
    (11200, Verdict::Mend, "Twilio could not fetch a file: PUBLIC_BASE_URL must be reachable for it"),
    (14107, Verdict::Loop, "Twilio stopped a loop: more than 30 texts between two numbers in 30 seconds"),
    (
        20003,
        Verdict::Credentials,
        "Twilio refuses the credentials: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
    ),
    (
        20404,
        Verdict::Mend,
        "Twilio does not know the account or the path: check TWILIO_ACCOUNT_SID and TWILIO_API_BASE",
    ),
    (20429, later(5), "Twilio has too many requests of ours at once"),
    (21211, Verdict::Failed, "the number is no phone's"),
    (21212, Verdict::Mend, "Twilio does not take our number: check TWILIO_FROM"),
    (21408, Verdict::Mend, "texts to this country are not switched on in the Twilio console"),
    (21606, Verdict::Mend, "our number cannot send texts: check TWILIO_FROM"),
    (21608, Verdict::Mend, "a trial account texts only numbers that are verified in the Twilio console"),
    (21610, Verdict::OptedOut, "the phone has opted out"),
    (21611, later(600), "more than ten hours of texts wait for our number"),
    (21614, Verdict::Failed, "the number is no mobile phone's"),
    (21617, Verdict::Bug, "the text is longer than Twilio takes"),
    (
        21620,
        Verdict::Mend,
        "Twilio does not take the link to a file: PUBLIC_BASE_URL must be reachable for it",
    ),
    (21623, Verdict::Bug, "more files than Twilio takes"),
    (30001, later(600), "Twilio's queue for our number was full"),
    (30003, later(900), "the phone cannot be reached now"),
    (30004, Verdict::OptedOut, "the phone blocks our texts"),
    (30005, Verdict::Failed, "the number is not in use"),
    (30006, Verdict::Failed, "the number is a landline's, or its carrier cannot be reached"),
    (30007, Verdict::Noteworthy, "the carrier filtered the text out"),
    (30008, later(60), "the carrier gave no reason"),
    (30010, Verdict::Noteworthy, "the text would cost more than allowed"),
    (30022, later(60), "the carrier takes no more texts from our number for now"),
    (30034, Verdict::Mend, "our number is not registered for texts to this country (A2P 10DLC)"),
    (63017, later(60), "Twilio takes no more texts from our account for now"),
    (63018, later(60), "Twilio takes no more texts from our number for now"),
];

/// What to do, and the sentence for people.
pub(super) fn look_up(code: u32) -> Option<(Verdict, &'static str)> {
    let index = TABLE.binary_search_by_key(&code, |(code, ..)| *code).ok()?;
    TABLE.get(index).map(|(_, verdict, words)| (*verdict, *words))
}

/// The sentence and the code.
pub(super) fn reason(code: u32) -> String {
    match look_up(code) {
        Some((_, words)) => format!("{words} ({code})"),
        None => format!("Twilio's error {code}: https://www.twilio.com/docs/api/errors/{code}"),
    }
}

/// Says in the log what a text's end asks of the operator; nothing where the phone alone is the reason.
pub(super) fn tell(code: u32) {
    match look_up(code).map(|(verdict, _)| verdict) {
        Some(Verdict::OptedOut | Verdict::Failed) => {}
        Some(Verdict::Loop | Verdict::Mend | Verdict::Credentials | Verdict::Bug) => {
            tracing::error!(
                code,
                reason = reason(code),
                "a text failed, and so will others until it is mended"
            );
        }
        Some(Verdict::Noteworthy | Verdict::Later(_)) | None => {
            tracing::warn!(code, reason = reason(code), "a text failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(TABLE.is_sorted_by(|(one, ..), (other, ..)| one < other));
    }

    #[test]
    fn an_unknown_code_is_named() {
        assert!(reason(12345).contains("12345"));
        assert_eq!(reason(21610), "the phone has opted out (21610)");
    }
}
