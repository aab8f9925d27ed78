//! The operator's rules, compiled, and what they say of a message.
//!
//! `judge` is pure and reads nothing: the same message under the same policy has the same verdict, so a policy
//! can be tried on files and on old messages. What a sender did before is judged in `pace`.

use std::collections::BTreeMap;
use std::sync::Arc;

use switchboard_core::event::Reason;
use switchboard_core::message::MAX_HOPS;
use switchboard_core::{Message, RoomName, Rooms, Sender, Surface};
use toml::Spanned;

use super::config::{Action, Entries, Host, Hosts, RoomRules, TrustedSender, Written};
use super::links::{self, is_below};
use super::normalise::{Glyph, glyphs};
use super::pace::{Limit, Limits};
use super::words::{Found, Reading, Words};
use crate::settings::{ConfigError, Document};

/// Most reasons of one verdict. A text of nothing but bad words needs no thousand.
const MAX_REASONS: usize = 10;

const ABUSE: &str = include_str!("lists/abuse.txt");
const SCAM: &str = include_str!("lists/scam.txt");

/// What may be shown. Ordered: of two rules the stricter one decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Decision {
    /// It is shown.
    #[default]
    Allow,
    /// It waits for an operator.
    Hold,
    /// It is not shown.
    Block,
}

/// A decision with its reasons; none for what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// The strictest of the rules that found something.
    pub decision: Decision,
    /// What they found: the rule's own words, never the text's. At most ten.
    pub reasons: Vec<Reason>,
}

impl Verdict {
    /// One rule more has found something.
    pub(super) fn add(&mut self, decision: Decision, reason: Reason) {
        // A stricter reason is not left out for the many before it.
        if self.reasons.len() == MAX_REASONS && decision > self.decision {
            self.reasons.pop();
        }
        self.decision = self.decision.max(decision);
        if self.reasons.len() < MAX_REASONS && !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    fn found(&mut self, decision: Decision, rule: &str, found: impl Into<String>) {
        if decision != Decision::Allow {
            self.add(decision, Reason { rule: rule.to_owned(), found: found.into() });
        }
    }

    /// Both verdicts.
    #[must_use]
    pub(super) fn and(mut self, other: Self) -> Self {
        self.decision = self.decision.max(other.decision);
        for reason in other.reasons {
            self.add(self.decision, reason);
        }
        self
    }
}

/// A compiled policy: the rules of every room.
#[derive(Debug)]
pub struct Policy {
    whole: Rules,
    rooms: BTreeMap<RoomName, Rules>,
    trusted_senders: Vec<TrustedSender>,
    trusted_surfaces: Vec<Surface>,
    pub(super) limits: Limits,
}

/// What holds in one room.
#[derive(Debug)]
struct Rules {
    lexicon: Arc<Lexicon>,
    links: Decision,
    allowed_hosts: Vec<Host>,
    blocked_hosts: Vec<Host>,
    max_chars: Option<usize>,
}

/// The words of a room; shared by rooms that have the same.
#[derive(Debug, Default)]
struct Lexicon {
    words: Words,
    /// Of each entry of `words`: the rule, the entry as written, and what follows.
    entries: Vec<(&'static str, String, Decision)>,
    allowed: Words,
}

impl Default for Policy {
    /// The policy of a hub whose operator has written none: the program's own lists.
    fn default() -> Self {
        Self::compile(&Written::default())
    }
}

impl Policy {
    /// Reads a policy file, or the `[moderation]` of a whole configuration.
    ///
    /// # Errors
    /// What is wrong in it, where, and the mend.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, ConfigError> {
        Self::read(file, text, None)
    }

    /// The same, with the rooms that there are: rules for another are refused.
    pub(super) fn read(file: &str, text: &str, rooms: Option<&Rooms>) -> Result<Self, ConfigError> {
        let document = Document::parse(file, text)?;
        let (written, above): (Written, &[&str]) = match document.section("moderation")? {
            Some(written) => (written, &["moderation"]),
            None => (document.whole()?, &[]),
        };
        if let Some(path) = &written.policy {
            return Err(document
                .fault("a policy that names another file", Some(path.span()))
                .mend("write the rules here, or name that file"));
        }
        // They are the gate's and not the rules': read here, they would be passed over.
        let misplaced = [("keep_days", written.keep_days.is_some()), ("park_s", written.park_s.is_some())];
        if let Some((key, _)) = misplaced.iter().find(|(_, written)| *written) {
            return Err(document
                .wrong(&[above, &[*key]].concat(), "no rule")
                .mend("write it into [moderation] of the configuration"));
        }
        check(&document, &written, rooms)?;
        Ok(Self::compile(&written))
    }

    pub(super) fn compile(written: &Written) -> Self {
        let room = |rules: &RoomRules| RoomRules {
            lists: rules.lists.or(written.lists),
            blocked_words: rules.blocked_words.clone().or_else(|| written.blocked_words.clone()),
            held_words: rules.held_words.clone().or_else(|| written.held_words.clone()),
            allow: rules.allow.clone().or_else(|| written.allow.clone()),
            links: rules.links.or(written.links),
            allowed_hosts: rules.allowed_hosts.clone().or_else(|| written.allowed_hosts.clone()),
            blocked_hosts: rules.blocked_hosts.clone().or_else(|| written.blocked_hosts.clone()),
            max_chars: rules.max_chars.or(written.max_chars),
        };
        let whole = Rules::compile(room(&RoomRules::default()), None);
        let rooms = written.rooms.iter().map(|(name, rules)| {
            let own_words = rules.lists.is_some()
                || rules.blocked_words.is_some()
                || rules.held_words.is_some()
                || rules.allow.is_some();
            let shared = (!own_words).then(|| Arc::clone(&whole.lexicon));
            (name.get_ref().clone(), Rules::compile(room(rules), shared))
        });
        let rooms = rooms.collect();
        let limit = |count: u32, within, action: Action| Limit { count, within, then: action.into() };
        let limits = Limits {
            flood: written.flood.map(|f| limit(f.messages.0, f.per_s.seconds(), f.action)),
            repeats: written.repeats.map(|r| limit(r.times.0, r.per_s.seconds(), r.action)),
        };
        let trusted_surfaces = written.trusted_surfaces.clone().unwrap_or_default();
        let trusted_senders = written.trusted_senders.clone().unwrap_or_default();
        Self { whole, rooms, trusted_senders, trusted_surfaces, limits }
    }

    /// Is this sender judged at all? A button says what the operator wrote for it.
    pub(super) fn trusts(&self, sender: &Sender) -> bool {
        let is = |known: &TrustedSender| {
            known.surface == sender.surface && known.address == sender.address.as_str()
        };
        sender.surface == Surface::Button
            || self.trusted_surfaces.contains(&sender.surface)
            || self.trusted_senders.iter().any(is)
    }

    /// What the rules say of a message, whatever its sender did before.
    pub fn judge(&self, message: &Message) -> Verdict {
        self.judge_reading(message).0
    }

    /// The same, with the text's glyphs for those who need them too.
    pub(super) fn judge_reading(&self, message: &Message) -> (Verdict, Vec<Glyph>) {
        let mut verdict = Verdict::default();
        if message.hops > MAX_HOPS {
            verdict.found(Decision::Block, "hops", format!("passed on more than {MAX_HOPS} times"));
            return (verdict, Vec::new());
        }
        if self.trusts(&message.sender) {
            return (verdict, Vec::new());
        }
        let rules = self.rules(Some(&message.room));
        let read = rules.judge(&message.text, &mut verdict);
        rules.judge(&message.sender.name, &mut verdict);
        for attachment in &message.attachments {
            rules.judge_name(&attachment.name, &mut verdict);
        }
        (verdict, read)
    }

    /// What the rules say of a text by itself, in a room or, without one, where no room has rules of its own.
    pub fn judge_text(&self, room: Option<&RoomName>, text: &str) -> Verdict {
        let mut verdict = Verdict::default();
        self.rules(room).judge(text, &mut verdict);
        verdict
    }

    fn rules(&self, room: Option<&RoomName>) -> &Rules {
        room.and_then(|room| self.rooms.get(room)).unwrap_or(&self.whole)
    }
}

/// Refuses entries that are none, and rules for a room that there is not.
pub(super) fn check(
    document: &Document,
    written: &Written,
    rooms: Option<&Rooms>,
) -> Result<(), ConfigError> {
    if let Some((fault, span)) = written.fault() {
        return Err(document.fault(fault, Some(span)).mend("correct the entry, or leave it out"));
    }
    let unknown = |name: &&Spanned<RoomName>| rooms.is_some_and(|rooms| rooms.get(name.get_ref()).is_none());
    match written.rooms.keys().find(unknown) {
        None => Ok(()),
        Some(name) => Err(document
            .fault(format!("rules for {}, and there is no such room", name.get_ref()), Some(name.span()))
            .mend(format!("add [rooms.{}], or leave the rules out", name.get_ref()))),
    }
}

impl Rules {
    fn compile(rules: RoomRules, lexicon: Option<Arc<Lexicon>>) -> Self {
        let hosts = |hosts: Option<Hosts>| hosts.unwrap_or_default().0;
        Self {
            lexicon: lexicon.unwrap_or_else(|| Arc::new(Lexicon::compile(&rules))),
            links: rules.links.unwrap_or_default().into(),
            allowed_hosts: hosts(rules.allowed_hosts),
            blocked_hosts: hosts(rules.blocked_hosts),
            max_chars: rules.max_chars.map(|limit| limit.0 as usize),
        }
    }

    fn judge(&self, text: &str, verdict: &mut Verdict) -> Vec<Glyph> {
        if let Some(limit) = self.max_chars
            && text.len() > limit
            && text.chars().count() > limit
        {
            verdict.found(Decision::Block, "length", format!("more than {limit} characters"));
        }
        for link in links::links(text, &self.blocked_hosts) {
            self.judge_link(&link, verdict);
        }
        self.lexicon.judge(text, verdict)
    }

    /// The name of a file has an ending, which is no host.
    fn judge_name(&self, name: &str, verdict: &mut Verdict) {
        self.lexicon.judge(name, verdict);
    }

    fn judge_link(&self, link: &links::Link, verdict: &mut Verdict) {
        let named = |hosts: &[Host]| hosts.iter().find(|host| is_below(&link.host, &host.0)).cloned();
        if let Some(host) = named(&self.blocked_hosts) {
            return verdict.found(Decision::Block, "blocked_host", host.0);
        }
        if named(&self.allowed_hosts).is_some() {
            return;
        }
        verdict.found(self.links, "link", "a link");
        if link.disguised {
            verdict.found(Decision::Hold.max(self.links), "disguised_link", "a link that is disguised");
        }
        if link.look_alike {
            let found = "a host with letters that look like others";
            verdict.found(Decision::Hold.max(self.links), "look_alike_link", found);
        }
    }
}

impl Lexicon {
    /// The operator's own entries come first: of an entry that is in two lists, the first counts.
    fn compile(rules: &RoomRules) -> Self {
        let mut lexicon = Self::default();
        for entry in rules.blocked_words.iter().flat_map(Entries::iter) {
            lexicon.add("blocked_word", entry, Decision::Block);
        }
        for entry in rules.held_words.iter().flat_map(Entries::iter) {
            lexicon.add("held_word", entry, Decision::Hold);
        }
        let lists = rules.lists.unwrap_or_default();
        for (rule, list, action) in [("abuse", ABUSE, lists.abuse), ("scam", SCAM, lists.scam)] {
            let Some(action) = action else { continue };
            for entry in list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
                lexicon.add(rule, entry, action.into());
            }
        }
        for entry in rules.allow.iter().flat_map(Entries::iter) {
            // Each entry was checked when it was read.
            let _ = lexicon.allowed.add(entry);
        }
        lexicon
    }

    fn add(&mut self, rule: &'static str, entry: &str, decision: Decision) {
        if self.words.add(entry).is_ok() {
            self.entries.push((rule, entry.to_owned(), decision));
        }
    }

    fn judge(&self, text: &str, verdict: &mut Verdict) -> Vec<Glyph> {
        if self.words.is_empty() {
            return Vec::new();
        }
        let glyphs = glyphs(text);
        let found = self.words.find(&glyphs, Reading::Suspicious);
        if !found.is_empty() {
            let allowed = self.allowed_spans(&glyphs);
            for found in found.iter().filter(|found| !is_covered(&allowed, found)) {
                if let Some((rule, entry, decision)) = self.entries.get(found.entry as usize) {
                    verdict.found(*decision, rule, entry.as_str());
                }
            }
        }
        glyphs
    }

    /// Where the exceptions begin and end.
    fn allowed_spans(&self, glyphs: &[Glyph]) -> Vec<(usize, usize)> {
        self.allowed.find(glyphs, Reading::Plain).iter().map(|found| (found.first, found.last)).collect()
    }
}

/// Is it within an exception? The spans are in the order of their ends.
fn is_covered(spans: &[(usize, usize)], found: &Found) -> bool {
    let from = spans.partition_point(|(_, last)| *last < found.last);
    // An exception that covers it begins before it and is at most as long as an entry may be.
    spans[from..]
        .iter()
        .take_while(|(_, last)| last - found.last <= super::words::MAX_ENTRY_LETTERS)
        .any(|(first, _)| *first <= found.first)
}
