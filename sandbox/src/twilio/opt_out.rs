//! The words by which a phone refuses and accepts a sender, and Twilio's own replies.
//!
//! <https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out>: a message that is one such word and
//! nothing else, in any case. It still reaches the webhook, and Twilio replies by itself.

/// What a whole message means to Twilio.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    Stop,
    Start,
    Help,
}

impl Word {
    /// The word that `body` is, if it is one.
    pub(crate) fn read(body: &str) -> Option<Word> {
        match body.trim().to_uppercase().as_str() {
            "STOP" | "STOPALL" | "UNSUBSCRIBE" | "CANCEL" | "END" | "QUIT" | "REVOKE" | "OPTOUT" => {
                Some(Word::Stop)
            }
            "START" | "YES" | "UNSTOP" => Some(Word::Start),
            "HELP" | "INFO" => Some(Word::Help),
            _ => None,
        }
    }

    /// `OptOutType`
    pub(crate) fn opt_out_type(self) -> &'static str {
        match self {
            Word::Stop => "STOP",
            Word::Start => "START",
            Word::Help => "HELP",
        }
    }

    /// What Twilio replies; `was_out` says whether the phone had refused the sender before.
    pub(crate) fn reply(self, was_out: bool) -> Option<&'static str> {
        match (self, was_out) {
            (Word::Stop, false) => Some(
                "You have successfully been unsubscribed. You will not receive any more messages from this \
                 number. Reply START to resubscribe.",
            ),
            (Word::Start, true) => Some(
                "You have successfully been re-subscribed to messages from this number. Reply HELP for help. \
                 Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
            ),
            (Word::Help, _) => Some("Reply STOP to unsubscribe. Msg&Data Rates May Apply."),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Word;

    #[test]
    fn only_a_whole_message_is_a_word() {
        assert_eq!(Word::read(" Stop\n"), Some(Word::Stop));
        assert_eq!(Word::read("yes"), Some(Word::Start));
        assert_eq!(Word::read("STOP PLEASE"), None);
        assert_eq!(Word::read("STOP 12345"), None);
    }
}
