//! The hosts that a text leads to, written plainly or disguised.
//!
//! Found are `scheme://host`, `www.host`, and bare hosts whose last label is a domain in common use. Top-level
//! domains that are also words or file endings (`.it`, `.md`) count only before a path or a query or after `www.`,
//! so that "do.it" is none; or in a host that the operator has named. Mail addresses are not links.
//!
//! Disguised are `hxxp://`, `example[.]com`, `example (dot) com`, `example dot com` and `https://example%2Ecom`:
//! their writer wanted them read by people, or by a browser, and not by this. Look-alikes are hosts with letters of another script that are drawn like
//! Latin ones, in plain or in punycode (`xn--…`). Both are at least held, whatever the policy says of links.
//!
//! Domains: <https://www.iana.org/domains/root/db>. Punycode: RFC 3492 and UTS 46, through `idna`.

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::config::Host;
use super::normalise::{is_unseen, looks_like};

/// A host in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// In lower case, as a reader sees it: no punycode.
    pub(super) host: String,
    pub(super) disguised: bool,
    pub(super) look_alike: bool,
}

/// Stands for a dot that was written in another way.
const HIDDEN_DOT: char = '\u{1}';

/// Domains that are neither words nor file endings.
const DOMAINS: &[&str] = &[
    "com", "net", "org", "edu", "gov", "mil", "info", "biz", "io", "co", "ai", "uk", "de", "fr", "nl", "es",
    "eu", "ru", "cn", "jp", "br", "au", "ca", "ch", "se", "dk", "fi", "pl", "cz", "pt", "gr", "tr", "ua",
    "ro", "hu", "kr", "tw", "hk", "sg", "vn", "ir", "il", "nz", "za", "mx", "cl", "lt", "lv", "ee", "si",
    "sk", "bg", "hr", "xyz", "icu", "tk", "ml", "ga", "cf", "gq", "pw", "gg", "tv", "ly", "gl", "cc", "ws",
    "mobi", "рф",
];

/// Words before "dot com" that make it the expression.
const ARTICLES: &[&str] =
    &["the", "a", "an", "of", "and", "old", "first", "some", "any", "this", "that", "in", "every"];

/// All hosts of a text; those that are `named` also where nothing but their name tells that they are hosts.
pub(super) fn links(text: &str, named: &[Host]) -> Vec<Link> {
    // Most texts have none of what every host has.
    if text.is_ascii()
        && !text.contains(['.', ':'])
        && !text.contains("dot")
        && !text.contains("DOT")
        && !text.contains("Dot")
    {
        return Vec::new();
    }
    let clean = clean(text);
    let mut scan = Scan { text: &clean, named, links: Vec::new() };
    scan.all();
    scan.links
}

/// The text as it is seen, in small letters, with disguised dots marked.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    if text.is_ascii() {
        clean.push_str(text);
        clean.make_ascii_lowercase();
    } else {
        let seen = text.chars().filter(|c| !is_unseen(*c)).nfkc();
        clean.extend(seen.flat_map(char::to_lowercase).map(|c| if c == '。' || c == '｡' { '.' } else { c }));
    }
    if !clean.contains(['[', '(', '{']) {
        return clean;
    }
    let mut marked = String::with_capacity(clean.len());
    let mut rest = clean.as_str();
    while let Some(at) = rest.find(['[', '(', '{']) {
        marked.push_str(&rest[..at]);
        rest = &rest[at..];
        let dot = ["[.]", "(.)", "{.}", "[dot]", "(dot)", "{dot}", "[ . ]", "( . )"]
            .iter()
            .find_map(|dot| rest.strip_prefix(dot));
        if let Some(after) = dot {
            marked.truncate(marked.trim_end_matches(' ').len());
            marked.push(HIDDEN_DOT);
            rest = after.trim_start_matches(' ');
        } else {
            marked.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    marked.push_str(rest);
    marked
}

struct Scan<'a> {
    text: &'a str,
    named: &'a [Host],
    links: Vec<Link>,
}

fn in_host(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c) || matches!(c, '-' | '.' | '_' | HIDDEN_DOT)
}

fn ends_link(c: char) -> bool {
    c.is_whitespace() || matches!(c, '<' | '>' | '"' | '(' | ')' | '|' | '`' | '«' | '»')
}

impl<'a> Scan<'a> {
    /// Goes from one run of a host's characters to the next.
    fn all(&mut self) {
        let text = self.text;
        let mut at = 0;
        let (mut before_last, mut last) = ("", "");
        while let Some(start) = text[at..].find(in_host).map(|skip| at + skip) {
            let end = text[start..].find(|c| !in_host(c)).map_or(text.len(), |length| start + length);
            let run = &text[start..end];
            if let Some(authority) = text[end..].strip_prefix("://") {
                let length = authority.find(|c| ends_link(c) || matches!(c, '/' | '?' | '#' | '\\'));
                let authority = &authority[..length.unwrap_or(authority.len())];
                let host = authority.rsplit('@').next().unwrap_or(authority);
                let host = host.split(':').next().unwrap_or(host);
                self.add(host, matches!(run, "hxxp" | "hxxps" | "hxtp" | "htxp" | "h__p"));
                at = skip_link(text, end + 3);
                continue;
            }
            at = end;
            let mail = text[..start].ends_with('@') || text[end..].starts_with('@');
            let more_follows = goes_on(&text[end..]);
            if !mail && self.bare(run, more_follows) {
                // Without a path the link ends here: "example.com,example.net".
                at = if more_follows { skip_link(text, end) } else { end };
            } else if last == "dot" && self.spelt_out(before_last, run) {
                self.add(&format!("{before_last}{HIDDEN_DOT}{}", run.trim_matches('.')), true);
            }
            (before_last, last) = (last, run);
        }
    }

    /// A host without a scheme, if this is one.
    fn bare(&mut self, run: &'a str, more_follows: bool) -> bool {
        let run = run.trim_matches(|c| matches!(c, '.' | '-' | '_'));
        let Some((rest, domain)) = run.rsplit_once(['.', HIDDEN_DOT]) else { return false };
        let www = run.starts_with("www.") && rest.len() > 4;
        let letters = domain.chars().count() >= 2 && domain.chars().all(char::is_alphabetic);
        let domain_is_one = DOMAINS.contains(&domain)
            || domain.starts_with("xn--")
            || (letters && (more_follows || www))
            || self.is_named(run);
        let letter_before = rest.chars().any(char::is_alphanumeric);
        if domain_is_one && letter_before {
            self.add(run, false);
        }
        domain_is_one && letter_before
    }

    /// `example dot com`.
    fn spelt_out(&self, before: &str, after: &str) -> bool {
        let domain = after.trim_matches('.');
        before.chars().filter(|c| c.is_alphanumeric()).count() >= 2
            && !ARTICLES.contains(&before)
            && (DOMAINS.contains(&domain) || self.is_named(&format!("{before}.{domain}")))
    }

    /// Is it a host that the operator has named, or below one?
    fn is_named(&self, run: &str) -> bool {
        !self.named.is_empty() && {
            let host = seen(run);
            self.named.iter().any(|named| is_below(&host, &named.0))
        }
    }

    fn add(&mut self, host: &str, disguised: bool) {
        let decoded = percent_decode_str(host).decode_utf8_lossy();
        let disguised = disguised || host.contains(HIDDEN_DOT) || decoded != host;
        let host = seen(&decoded);
        if host.is_empty() {
            return;
        }
        let look_alike = !host.is_ascii() && host.split('.').any(is_look_alike);
        self.links.push(Link { host, disguised, look_alike });
    }
}

/// A host as its reader sees it, and without what only stands beside it.
fn seen(host: &str) -> String {
    let host = host.replace(HIDDEN_DOT, ".");
    let host = host.trim_matches(|c| matches!(c, '.' | ',' | ';' | '!' | '\'' | '*' | ']'));
    match host.is_ascii() && !host.contains("xn--") {
        true => host.to_ascii_lowercase(),
        false => idna::domain_to_unicode(host).0,
    }
}

/// Does a link go on after its host, by a path, a query or a fragment, be there a port or none? After "main.rs?" and
/// "main.rs:42" nothing goes on.
fn goes_on(after: &str) -> bool {
    let after =
        after.strip_prefix(':').map_or(after, |port| port.trim_start_matches(|c: char| c.is_ascii_digit()));
    let query = after.strip_prefix(['?', '#']);
    after.starts_with('/') || query.is_some_and(|query| query.starts_with(char::is_alphanumeric))
}

/// Where the link that goes on here has ended: its path and query are no hosts.
fn skip_link(text: &str, from: usize) -> usize {
    text[from..].find(ends_link).map_or(text.len(), |length| from + length)
}

/// Is every letter Latin or drawn like a Latin one, and some are not Latin? A label that cannot be decoded
/// keeps its `xn--` and counts as one, too.
fn is_look_alike(label: &str) -> bool {
    let latin = |c: char| matches!(c, '\0'..='\u{24f}' | '\u{1e00}'..='\u{1eff}');
    label.starts_with("xn--")
        || (label.chars().any(|c| c.is_alphabetic() && !latin(c))
            && label.chars().all(|c| latin(c) || !c.is_alphabetic() || looks_like(c) != '\0'))
}

/// Is this host the one that the operator named, or below it?
pub(super) fn is_below(host: &str, named: &str) -> bool {
    host.strip_suffix(named).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `host`, with `?` after a disguised and `!` after a look-alike one.
    fn check(text: &str, expected: &[&str]) {
        check_named(&[], text, expected);
    }

    fn check_named(named: &[&str], text: &str, expected: &[&str]) {
        let named: Vec<Host> = named.iter().map(|host| Host::try_from((*host).to_owned()).unwrap()).collect();
        let found: Vec<String> = links(text, &named)
            .into_iter()
            .map(|link| {
                let marks = [(link.disguised, "?"), (link.look_alike, "!")];
                marks.iter().filter(|(on, _)| *on).fold(link.host, |host, (_, mark)| host + mark)
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_hosts_of_a_text_are_found() {
        check("see https://Example.com/a.net?b=c.org, ok", &["example.com"]);
        check("http://user:pass@evil.test:8080/", &["evil.test"]);
        check("https://good.com@evil.test", &["evil.test"]);
        check("https://good.com\\@evil.test", &["good.com"]);
        check("[good.com](https://evil.test) and www.a.bc", &["good.com", "evil.test", "www.a.bc"]);
        check("www.do.it now, bit.ly/x, t.me/abc", &["www.do.it", "bit.ly", "t.me"]);
        check("example.com. Then example.de!", &["example.com", "example.de"]);
        check("ｅｘａｍｐｌｅ．ｃｏｍ exam\u{200b}ple.com", &["example.com", "example.com"]);
        check("http://[::1]/ http://192.0.2.1/x", &["[", "192.0.2.1"]);
        check("münchen.de 例え.jp", &["münchen.de", "例え.jp"]);
        check("evil.shop?x=1 evil.shop#a.b evil.shop:80/c.com", &["evil.shop", "evil.shop", "evil.shop"]);
        check("example.com,example.net", &["example.com", "example.net"]);
    }

    #[test]
    fn a_host_that_the_operator_has_named_is_found_wherever_it_stands() {
        let check = |text, expected| check_named(&["evil.shop", "münchen.shop"], text, expected);
        check("see evil.shop now", &["evil.shop"]);
        check("Evil.Shop! (www2.evil.shop:8080)", &["evil.shop", "www2.evil.shop"]);
        check("evil[.]shop, evil dot shop", &["evil.shop?", "evil.shop?"]);
        check("xn--mnchen-3ya.shop", &["münchen.shop"]);
        check("good.shop notevil.shop evil.shopping ann@evil.shop", &[]);
    }

    #[test]
    fn disguises_and_look_alikes_are_marked() {
        check("hxxps://example.com/x", &["example.com?"]);
        check(
            "example[.]com, example (dot) com, example{dot}com",
            &["example.com?", "example.com?", "example.com?"],
        );
        check("visit example dot com today", &["example.com?"]);
        check("https://evil%2Ecom/x http://%65vil%EF%BC%8ECOM", &["evil.com?", "evil.com?"]);
        check("https://%s/x https://100%.com", &["%s", "100%.com"]);
        check("https://pаypal.com https://аррӏе.com", &["pаypal.com!", "аррӏе.com!"]);
        check("xn--80ak6aa92e.com", &["аррӏе.com!"]);
        check("https://xn--mnchen-3ya.de", &["münchen.de"]);
    }

    #[test]
    fn what_is_no_link_is_left_alone() {
        for text in [
            "do.it",
            "end.Then go",
            "readme.md main.rs node.js",
            "main.rs:42 main.rs: see main.rs? (main.rs)",
            "ann@example.com",
            "1.2.3",
            "e.g. i.e. p.m.",
            "...",
            "the dot com boom",
            "polka dot dress",
            "a/b and/or",
            "version 2.0.co",
            "(.)",
            "well...ok",
            "com",
            ".com",
        ] {
            if text == "version 2.0.co" {
                check(text, &["2.0.co"]);
            } else {
                check(text, &[]);
            }
        }
    }

    #[test]
    fn a_named_host_covers_what_is_below_it() {
        for (host, named, below) in [
            ("example.com", "example.com", true),
            ("a.example.com", "example.com", true),
            ("badexample.com", "example.com", false),
            ("example.com.evil.test", "example.com", false),
        ] {
            assert_eq!(is_below(host, named), below, "{host} {named}");
        }
    }
}
