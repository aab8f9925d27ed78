//! Slack's text: what it does to text that comes in, and how a person sees it.
//!
//! <https://docs.slack.dev/messaging/formatting-message-text>. Slack keeps text escaped (`&amp; &lt; &gt;`), with
//! tokens in angle brackets, and makes bare web addresses tokens.

/// What a person typed, as Slack keeps it.
pub(crate) fn typed(text: &str) -> String {
    link(&text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

/// What an app posted, as Slack keeps it: stray characters escaped, tokens left alone, addresses linked.
pub(crate) fn posted(text: String) -> String {
    if !text.contains(['&', '<', '>']) && !text.contains("://") {
        return text;
    }
    let mut kept = String::with_capacity(text.len() + 16);
    let mut rest = text.as_str();
    while let Some(at) = rest.find(['&', '<', '>']) {
        kept.push_str(&link(&rest[..at]));
        rest = &rest[at..];
        let token = rest.starts_with('<').then(|| token_end(rest)).flatten();
        if let Some(end) = token {
            kept.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let entity = ["&amp;", "&lt;", "&gt;"].into_iter().find(|entity| rest.starts_with(entity));
        let (written, length) = match (entity, rest.as_bytes()[0]) {
            (Some(entity), _) => (entity, entity.len()),
            (None, b'&') => ("&amp;", 1),
            (None, b'<') => ("&lt;", 1),
            (None, _) => ("&gt;", 1),
        };
        kept.push_str(written);
        rest = &rest[length..];
    }
    kept.push_str(&link(rest));
    kept
}

/// Where the token at the start of `text` ends, if there is one.
fn token_end(text: &str) -> Option<usize> {
    let inner = text[1..].split_once('>')?.0;
    let known = inner.starts_with(['@', '#', '!', '+'])
        || ["http://", "https://", "mailto:", "tel:"].iter().any(|scheme| inner.starts_with(scheme));
    (known && !inner.contains(['<', '\n'])).then_some(inner.len() + 2)
}

/// Makes bare web addresses tokens.
fn link(text: &str) -> String {
    if !text.contains("://") {
        return text.to_owned();
    }
    let linked = |word: &str| {
        // Inside a token a bar begins the label, which an address cannot bring along.
        let bare = word
            .split('|')
            .next()
            .unwrap_or_default()
            .trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '\'']);
        let address = (bare.starts_with("https://") || bare.starts_with("http://")) && bare.len() > 8;
        if address { format!("<{bare}>{}", &word[bare.len()..]) } else { word.to_owned() }
    };
    text.split_inclusive(char::is_whitespace)
        .map(|piece| {
            let word = piece.trim_end();
            format!("{}{}", linked(word), &piece[word.len()..])
        })
        .collect()
}

/// Text as a person sees it; `name` gives a person's or channel's name for an id.
pub(crate) fn shown(text: &str, name: impl Fn(&str) -> Option<String>) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        seen.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(end) = token_end(rest) else {
            seen.push('<');
            rest = &rest[1..];
            continue;
        };
        let inner = &rest[1..end - 1];
        let (target, label) =
            inner.split_once('|').map_or((inner, None), |(target, label)| (target, Some(label)));
        match (target.as_bytes().first(), label) {
            (Some(b'@'), _) => {
                seen.push_str(&format!("@{}", name(&target[1..]).as_deref().unwrap_or(&target[1..])))
            }
            (Some(b'#'), _) => {
                seen.push_str(&format!("#{}", name(&target[1..]).as_deref().unwrap_or(&target[1..])))
            }
            (_, Some(label)) => seen.push_str(label),
            (Some(b'!'), None) => seen.push_str(&format!("@{}", &target[1..])),
            (_, None) => seen.push_str(target),
        }
        rest = &rest[end..];
    }
    seen.push_str(rest);
    seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::{posted, shown, typed};

    #[test]
    fn what_a_person_types_cannot_be_a_token() {
        assert_eq!(typed("<!channel> a & b"), "&lt;!channel&gt; a &amp; b");
        assert_eq!(typed("see https://x.org/a?b=1&c, now"), "see <https://x.org/a?b=1&amp;c>, now");
    }

    #[test]
    fn what_an_app_posts_keeps_its_tokens() {
        for (given, kept) in [
            ("plain", "plain"),
            ("a & b &amp; <c", "a &amp; b &amp; &lt;c"),
            ("<@U1> <!here> x > y", "<@U1> <!here> x &gt; y"),
            ("at https://x.org.", "at <https://x.org>."),
            ("https://x.org|my bank", "<https://x.org>|my bank"),
            ("<https://x.org|x>", "<https://x.org|x>"),
            ("&lt;!channel&gt;", "&lt;!channel&gt;"),
        ] {
            assert_eq!(posted(given.into()), kept);
        }
    }

    #[test]
    fn a_person_sees_names_labels_and_characters() {
        let name = |id: &str| (id == "U1").then(|| "Ann".to_owned());
        assert_eq!(
            shown("<@U1> <@U2> <!here> <https://x|y> <https://z> &lt;b&gt; &amp;amp;", name),
            "@Ann @U2 @here y https://z <b> &amp;"
        );
    }
}
