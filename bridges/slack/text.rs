//! Slack's text and plain text: tokens in angle brackets, three entities, nothing else.
//!
//! Coming in, the tokens are read first and the entities after: `&lt;!here&gt;` is what somebody typed, and no
//! token. Going out, `&`, `<` and `>` are escaped, so that nobody outside can write a token that pings a channel
//! or hides a link. <https://docs.slack.dev/messaging/formatting-message-text>

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What people and channels are called, by id.
pub(super) type Names = BTreeMap<String, String>;

/// A piece of Slack's text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// Words, with entities.
    Words(&'a str),
    /// What stood between angle brackets: before the first `|`, and after it.
    Token(&'a str, Option<&'a str>),
}

/// Cuts a text into pieces. A bracket without its fellow is words.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(open) = rest.find('<') else { return Some(Piece::Words(std::mem::take(&mut rest))) };
        if open > 0 {
            let (words, after) = rest.split_at(open);
            rest = after;
            return Some(Piece::Words(words));
        }
        match rest.find('>').filter(|close| is_token(&rest[1..*close])) {
            Some(close) => {
                let inside = &rest[1..close];
                rest = &rest[close + 1..];
                Some(match inside.split_once('|') {
                    Some((what, label)) => Piece::Token(what, Some(label).filter(|label| !label.is_empty())),
                    None => Piece::Token(inside, None),
                })
            }
            None => {
                let end = rest[1..].find('<').map_or(rest.len(), |next| next + 1);
                let (words, after) = rest.split_at(end);
                rest = after;
                Some(Piece::Words(words))
            }
        }
    })
}

/// A token says at once what it is: `@`, `#`, `!`, or the scheme of a link.
fn is_token(inside: &str) -> bool {
    inside.starts_with(|c: char| matches!(c, '@' | '#' | '!') || c.is_ascii_alphanumeric())
        && !inside.contains('<')
}

/// The ids of the people and channels that a text names without saying what they are called.
pub(super) fn nameless(text: &str) -> BTreeSet<&str> {
    pieces(text)
        .filter_map(|piece| match piece {
            Piece::Token(what, None) => what.strip_prefix(['@', '#']).filter(|id| is_id(id)),
            _ => None,
        })
        .collect()
}

/// Could Slack have given this id? Nothing else is worth a question.
fn is_id(id: &str) -> bool {
    (2..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Plain text of Slack's text, at most `max_chars` long; who is not in `names` is shown by id. Control
/// characters other than line breaks and tabs are dropped.
pub(super) fn to_plain(text: &str, names: &Names, max_chars: usize) -> String {
    let mut plain = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Words(words) => plain.push_str(&unescape(words)),
            Piece::Token(what, label) => push_token(&mut plain, what, label, names),
        }
    }
    plain.retain(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    if let Some((cut, _)) = plain.char_indices().nth(max_chars) {
        let last = plain[..cut].char_indices().next_back().map_or(0, |(at, _)| at);
        plain.truncate(last);
        plain.push('…');
    }
    plain
}

fn push_token(plain: &mut String, what: &str, label: Option<&str>, names: &Names) {
    let label = label.map(unescape);
    let mut named = |sign: char, id: &str| {
        let name = label.as_deref().or_else(|| names.get(id).map(String::as_str)).unwrap_or(id);
        if !name.starts_with(sign) {
            plain.push(sign);
        }
        plain.push_str(name);
    };
    match what.as_bytes() {
        [b'@', ..] => named('@', &what[1..]),
        [b'#', ..] => named('#', &what[1..]),
        [b'!', ..] => {
            let command = &what[1..];
            match command.split_once('^') {
                Some(("subteam", group)) => named('@', group),
                // A date's label is what to show where dates are not understood.
                Some((_, _)) => plain.push_str(label.as_deref().unwrap_or("?")),
                None => named('@', command),
            }
        }
        _ => push_link(plain, &unescape(what), label.as_deref()),
    }
}

fn push_link(plain: &mut String, url: &str, label: Option<&str>) {
    let address = ["mailto:", "tel:"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let shown = address.unwrap_or(url);
    let bare = shown.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    match label {
        // Slack labels what it made a link of with what was typed.
        Some(label) if address.is_some() && label == shown => plain.push_str(shown),
        Some(label) if label.trim_end_matches('/') == bare || label == shown => plain.push_str(shown),
        Some(label) => {
            plain.push_str(label);
            plain.push_str(" (");
            plain.push_str(shown);
            plain.push(')');
        }
        None => plain.push_str(shown),
    }
}

/// The three entities; anything else with an ampersand is as it stands.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')];
        match entity.into_iter().find(|(entity, _)| rest.starts_with(entity)) {
            Some((entity, c)) => {
                plain.push(c);
                rest = &rest[entity.len()..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// How a text's length is counted against a limit of Slack's, after escaping.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    Chars(usize),
    Bytes(usize),
}

/// Plain text as Slack shows it literally. One that is too long is cut between characters, never within an
/// entity, and ends with `ending`.
pub(super) fn from_plain(text: &str, limit: Limit, ending: &str) -> String {
    let cost = |piece: &str| match limit {
        Limit::Chars(_) => piece.chars().count(),
        Limit::Bytes(_) => piece.len(),
    };
    let (Limit::Chars(most) | Limit::Bytes(most)) = limit;
    let room_for_ending = most.saturating_sub(cost(ending));
    let mut escaped = String::with_capacity(text.len() + 16);
    let (mut used, mut cut) = (0, 0);
    for c in text.chars() {
        let before = escaped.len();
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c => escaped.push(c),
        }
        used += cost(&escaped[before..]);
        if used <= room_for_ending {
            cut = escaped.len();
        }
        if used > most {
            escaped.truncate(cut);
            escaped.push_str(ending);
            break;
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_are_read_before_entities() {
        let names: Names = [("U1", "Ann"), ("C1", "lobby")].map(|(k, v)| (k.into(), v.into())).into();
        for (slack, plain) in [
            ("hello", "hello"),
            ("a &amp; b &lt;c&gt; &quot;d&quot;", "a & b <c> &quot;d&quot;"),
            ("&lt;!channel&gt;", "<!channel>"),
            ("&amp;lt;!channel&amp;gt;", "&lt;!channel&gt;"),
            ("<@U1> and <@U2> and <@U3|bob>", "@Ann and @U2 and @bob"),
            ("<#C1> <#C2|ops> <#C3|>", "#lobby #ops #C3"),
            ("<!here> <!channel> <!everyone> <!here|@here>", "@here @channel @everyone @here"),
            ("<!subteam^S1|@night> <!subteam^S2>", "@night @S2"),
            ("<!date^1392734382^{date}^https://x.y/|18 Feb 2014>", "18 Feb 2014"),
            ("<https://x.y/a?b=1&amp;c=2>", "https://x.y/a?b=1&c=2"),
            ("<https://x.y/a|the page>", "the page (https://x.y/a)"),
            ("<http://x.y|x.y> <http://x.y/|x.y>", "http://x.y http://x.y/"),
            (
                "<mailto:a@x.y|a@x.y> <mailto:a@x.y|Ann> <tel:+14155550100|call>",
                "a@x.y Ann (a@x.y) call (+14155550100)",
            ),
            ("1 < 2, <> and <open", "1 < 2, <> and <open"),
            ("", ""),
            ("bell\u{7} tab\t line\n", "bell tab\t line\n"),
        ] {
            assert_eq!(to_plain(slack, &names, 1000), plain, "{slack}");
        }
    }

    #[test]
    fn who_is_named_by_id_alone_has_to_be_looked_up() {
        let text =
            "<@U1> <@U2|bob> <#C1> <#C2|> <!subteam^S1> <https://x.y> &lt;@U9&gt; <@U1> <@> <@no id> <#x/y>";
        assert_eq!(nameless(text).into_iter().collect::<Vec<_>>(), ["C1", "C2", "U1"]);
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters() {
        for (text, limit, cut) in [
            ("abcdef", Limit::Chars(6), "abcdef"),
            ("abcdefg", Limit::Chars(6), "abcde…"),
            ("a&b", Limit::Chars(7), "a&amp;b"),
            ("a&bc", Limit::Chars(7), "a&amp;…"),
            ("ab&c", Limit::Chars(7), "ab…"),
            ("ééééé", Limit::Bytes(9), "ééé…"),
            ("éééé", Limit::Bytes(8), "éééé"),
        ] {
            assert_eq!(from_plain(text, limit, "…"), cut, "{text}");
        }
        assert_eq!(to_plain("abcdef", &Names::new(), 4), "abc…");
    }

    proptest! {
        #[test]
        fn what_goes_out_comes_back_as_it_was(text in "[^\\p{Cc}]{0,80}|[&<>;!@#|a-z]{0,40}") {
            let slack = from_plain(&text, Limit::Chars(10_000), "…");
            prop_assert!(!slack.contains(['<', '>']), "no token can be written from outside");
            prop_assert_eq!(to_plain(&slack, &Names::new(), 10_000), text);
        }

        #[test]
        fn any_text_is_read_without_harm(text in "[<>|@#!^&;a-zé]{0,40}", max in 1..50_usize) {
            prop_assert!(to_plain(&text, &Names::new(), max).chars().count() <= max);
            nameless(&text);
        }

        #[test]
        fn a_cut_text_keeps_its_limit(text in "[&<>aé]{0,60}", most in 5..50_usize) {
            prop_assert!(from_plain(&text, Limit::Bytes(most), "…").len() <= most);
            prop_assert!(from_plain(&text, Limit::Chars(most), "…").chars().count() <= most);
        }
    }
}
