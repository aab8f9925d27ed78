//! What the hub's answer to an incoming message says: <https://www.twilio.com/docs/messaging/twiml>
//!
//! Only `<Message>` with text or `<Body>` is understood; `<Redirect>`, `<Media>` and attributes are not.

/// The texts to reply with.
pub(crate) fn replies(twiml: &str) -> Vec<String> {
    let mut replies = Vec::new();
    let mut rest = twiml;
    while let Some(start) = rest.find("<Message") {
        let Some(open) = rest[start..].find('>') else { break };
        let inner = &rest[start + open + 1..];
        if rest[start..start + open].ends_with('/') {
            rest = inner;
            continue;
        }
        let Some(end) = inner.find("</Message>") else { break };
        let mut text = &inner[..end];
        if let Some((_, body)) = text.split_once("<Body>") {
            text = body.split_once("</Body>").map_or(body, |(text, _)| text);
        }
        replies.push(unescape(text));
        rest = &inner[end..];
    }
    replies
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::replies;

    #[test]
    fn messages_are_read_and_unescaped() {
        assert!(replies("<Response/>").is_empty());
        let twiml =
            "<Response><Message>a &amp;lt; b</Message><Message to=\"+1\"><Body>c</Body></Message></Response>";
        assert_eq!(replies(twiml), ["a &lt; b", "c"]);
    }
}
