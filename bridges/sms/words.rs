//! The words that a phone can text instead of a message.
//!
//! STOP, START, HELP and their like are Twilio's: it answers them itself and we only take note
//! (<https://help.twilio.com/articles/223134027>). A word counts only when it is the whole message: `STOP 12345`
//! is a message. JOIN and LEAVE are ours.

/// What a text asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// No more texts.
    Stop,
    /// Texts again. `only_if_stopped` for a word that people also say to each other.
    Start { only_if_stopped: bool },
    /// Help, which Twilio gives.
    Help,
    /// Into a room.
    Join {
        /// As it was written; empty when missing.
        room: &'a str,
        /// What follows.
        name: &'a str,
    },
    /// Out of a room, the last joined when none is named.
    Leave {
        /// As it was written.
        room: Option<&'a str>,
        /// What follows: then it may be a message after all.
        more: bool,
    },
    /// A message.
    Text,
}

const STOP: [&str; 8] = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"];
const START: [&str; 2] = ["START", "UNSTOP"];
const HELP: [&str; 2] = ["HELP", "INFO"];

/// Reads a text. `opt_out` is what Twilio took it for, where Advanced Opt-Out is on.
pub(super) fn read<'a>(text: &'a str, opt_out: Option<&str>) -> Word<'a> {
    let is = |word: &&str| text.trim().eq_ignore_ascii_case(word);
    match opt_out.map(str::to_ascii_uppercase).as_deref() {
        Some("STOP") => return Word::Stop,
        Some("START") => return Word::Start { only_if_stopped: false },
        Some("HELP") => return Word::Help,
        _ => {}
    }
    if STOP.iter().any(is) {
        return Word::Stop;
    }
    if START.iter().any(is) {
        return Word::Start { only_if_stopped: false };
    }
    if is(&"YES") {
        return Word::Start { only_if_stopped: true };
    }
    if HELP.iter().any(is) {
        return Word::Help;
    }
    let (first, rest) = first_word(text);
    if first.eq_ignore_ascii_case("JOIN") {
        let (room, name) = first_word(rest);
        return Word::Join { room, name };
    }
    if first.eq_ignore_ascii_case("LEAVE") {
        let (room, more) = first_word(rest);
        return Word::Leave { room: Some(room).filter(|room| !room.is_empty()), more: !more.is_empty() };
    }
    Word::Text
}

fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}
