//! What a browser finds where signing in did not work: the chat's own page, which says why in a sentence and has the
//! way to try again beside it. It is the same in both hosts.
//!
//! The address takes a word of a short list there and no text, so that nobody can make a link that has the page say
//! something else; the sentences are the page's (`web/src/chat/signInFailed.ts`).

use switchboard_core::{Failure, Reply};
use tracing::warn;

use super::redirect;

/// The code of a failure where another browser began it, or it took too long.
pub(super) const LATE: &str = "sign_in_late";
/// The code of a failure where the issuer says no.
pub(super) const REFUSED: &str = "sign_in_refused";

/// Sends a browser to the page that says so.
pub fn failed(failure: &Failure) -> Reply {
    let word = word(failure);
    warn!(word, reason = %failure, "somebody could not sign in");
    redirect(format!("/?sign_in={word}"), [])
}

fn word(failure: &Failure) -> &'static str {
    match failure {
        Failure::Refuse { code: LATE, .. } => "late",
        Failure::Refuse { code: REFUSED, .. } => "refused",
        Failure::Refuse { status: 404, .. } => "off",
        Failure::Refuse { .. } => "unproven",
        Failure::Retry { .. } | Failure::Unsure { .. } | Failure::Bug { .. } => "unreached",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_a_word_that_the_page_knows() {
        let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/src/chat/signInFailed.ts");
        let page = std::fs::read_to_string(place).unwrap();
        let refused = |code| Failure::refuse_as(401, code, "why");
        for (failure, expected) in [
            (refused(LATE), "late"),
            (refused(REFUSED), "refused"),
            (refused("signed_out"), "unproven"),
            (Failure::refuse(404, "no issuer of accounts is configured"), "off"),
            (Failure::retry("no answer"), "unreached"),
            (Failure::bug("no address"), "unreached"),
        ] {
            let reply = failed(&failure);
            let location = ("location".to_owned(), format!("/?sign_in={expected}"));
            assert_eq!((reply.status, reply.headers), (303, vec![location]));
            assert!(page.contains(&format!("\n  {expected}: \"")), "the page has no sentence for {expected}");
        }
    }
}
