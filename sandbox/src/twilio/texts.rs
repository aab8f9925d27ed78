//! What Twilio and the phones know: messages, media, who refuses whom, how each sender's queue stands.
//!
//! Everything is found without a walk, except lists; the oldest messages are forgotten beyond
//! [`KEPT`], the oldest media beyond [`MEDIA_KEPT`] bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::carry::Journey;
use crate::store::Entry;

/// How many messages are known.
const KEPT: usize = 50_000;
/// How many bytes of media are known.
const MEDIA_KEPT: usize = 128 * 1024 * 1024;

/// A message in either direction.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Text {
    pub(crate) sid: String,
    /// `inbound`, `outbound-api` or `outbound-reply`.
    pub(crate) direction: Cow<'static, str>,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) body: String,
    pub(crate) segments: u32,
    pub(crate) status: Cow<'static, str>,
    pub(crate) error_code: Option<u32>,
    pub(crate) messaging_service_sid: Option<String>,
    pub(crate) status_callback: Option<String>,
    /// The hub's MediaUrl, in its order.
    pub(crate) media_urls: Vec<String>,
    /// What fetching those gave.
    pub(crate) fetched: Vec<FetchedMedia>,
    /// The media that the phone sent.
    pub(crate) media_sids: Vec<String>,
    /// Whether Twilio said this by itself (STOP, START, HELP).
    pub(crate) automatic: bool,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
    pub(crate) sent_ms: Option<u64>,
}

impl Text {
    pub(crate) fn media_count(&self) -> usize {
        self.media_urls.len() + self.media_sids.len()
    }

    pub(crate) fn is_inbound(&self) -> bool {
        self.direction == "inbound"
    }

    /// The side that is not the hub.
    pub(crate) fn phone(&self) -> &str {
        if self.is_inbound() { &self.from } else { &self.to }
    }

    pub(crate) fn is_final(&self) -> bool {
        matches!(&*self.status, "delivered" | "undelivered" | "failed" | "canceled" | "received" | "read")
    }
}

/// What fetching a MediaUrl gave.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FetchedMedia {
    pub(crate) url: String,
    pub(crate) content_type: Option<String>,
    pub(crate) bytes: usize,
    /// What was wrong, in a sentence.
    pub(crate) failure: Option<String>,
}

/// Media that a phone sent.
#[derive(Serialize, Deserialize)]
pub(crate) struct InboundMedia {
    pub(crate) sid: String,
    pub(crate) message_sid: String,
    pub(crate) content_type: String,
    pub(crate) created_ms: u64,
    #[serde(with = "crate::store::base64_bytes")]
    pub(crate) bytes: bytes::Bytes,
}

pub(crate) struct Texts {
    next: u64,
    messages: BTreeMap<u64, Text>,
    by_sid: HashMap<String, u64>,
    by_phone: HashMap<String, VecDeque<u64>>,
    media: HashMap<String, Arc<InboundMedia>>,
    media_order: VecDeque<String>,
    media_bytes: usize,
    opted_out: HashSet<(String, String)>,
    /// When each sender is done with what it has.
    busy_until: HashMap<String, Instant>,
    /// How texts fare, by phone.
    pub(crate) journeys: HashMap<String, Journey>,
    /// How the other texts fare.
    pub(crate) usual_journey: Journey,
    /// API calls under way.
    pub(crate) under_way: usize,
}

impl Texts {
    pub(crate) fn new() -> Texts {
        Texts {
            next: 0,
            messages: BTreeMap::new(),
            by_sid: HashMap::new(),
            by_phone: HashMap::new(),
            media: HashMap::new(),
            media_order: VecDeque::new(),
            media_bytes: 0,
            opted_out: HashSet::new(),
            busy_until: HashMap::new(),
            journeys: HashMap::new(),
            usual_journey: Journey::default(),
            under_way: 0,
        }
    }

    /// Adds a message, or replaces the one with its sid.
    pub(crate) fn put(&mut self, text: Text) {
        if let Some(known) = self.by_sid.get(&text.sid).and_then(|at| self.messages.get_mut(at)) {
            *known = text;
            return;
        }
        let at = self.next;
        self.next += 1;
        self.by_sid.insert(text.sid.clone(), at);
        match self.by_phone.get_mut(text.phone()) {
            Some(list) => list.push_back(at),
            None => {
                self.by_phone.insert(text.phone().to_owned(), VecDeque::from([at]));
            }
        }
        self.messages.insert(at, text);
        if self.messages.len() > KEPT
            && let Some(oldest) = self.messages.values().next().map(|text| text.sid.clone())
        {
            self.remove(&oldest);
        }
    }

    pub(crate) fn get(&self, sid: &str) -> Option<&Text> {
        self.messages.get(self.by_sid.get(sid)?)
    }

    pub(crate) fn get_mut(&mut self, sid: &str) -> Option<&mut Text> {
        self.messages.get_mut(self.by_sid.get(sid)?)
    }

    pub(crate) fn remove(&mut self, sid: &str) -> Option<Text> {
        let at = self.by_sid.remove(sid)?;
        let text = self.messages.remove(&at)?;
        if let Some(list) = self.by_phone.get_mut(text.phone()) {
            if list.front() == Some(&at) {
                list.pop_front();
            } else {
                list.retain(|other| *other != at);
            }
            if list.is_empty() {
                self.by_phone.remove(text.phone());
            }
        }
        for media in &text.media_sids {
            self.remove_media(media);
        }
        Some(text)
    }

    /// Newest first, beginning below the message `after`.
    pub(crate) fn newest_first(&self, after: Option<&str>) -> impl Iterator<Item = &Text> {
        let below = after.and_then(|sid| self.by_sid.get(sid)).copied().unwrap_or(u64::MAX);
        self.messages.range(..below).rev().map(|(_, text)| text)
    }

    /// The messages of a phone, oldest first.
    pub(crate) fn of_phone(&self, phone: &str) -> impl DoubleEndedIterator<Item = &Text> {
        self.by_phone.get(phone).into_iter().flatten().filter_map(|at| self.messages.get(at))
    }

    /// The phones that are known, with how many messages each has.
    pub(crate) fn phones(&self) -> impl Iterator<Item = (&str, usize)> {
        self.by_phone.iter().map(|(phone, list)| (phone.as_str(), list.len()))
    }

    pub(crate) fn unfinished(&self) -> Vec<String> {
        self.messages.values().filter(|text| !text.is_final()).map(|text| text.sid.clone()).collect()
    }

    pub(crate) fn put_media(&mut self, media: Arc<InboundMedia>) {
        self.media_bytes += media.bytes.len();
        self.media_order.push_back(media.sid.clone());
        self.media.insert(media.sid.clone(), media);
        while self.media_bytes > MEDIA_KEPT {
            let Some(oldest) = self.media_order.pop_front() else { break };
            self.remove_media(&oldest);
        }
    }

    pub(crate) fn media(&self, sid: &str) -> Option<Arc<InboundMedia>> {
        self.media.get(sid).cloned()
    }

    pub(crate) fn remove_media(&mut self, sid: &str) -> Option<Arc<InboundMedia>> {
        let media = self.media.remove(sid)?;
        self.media_bytes -= media.bytes.len();
        Some(media)
    }

    pub(crate) fn is_opted_out(&self, sender: &str, phone: &str) -> bool {
        // A pair is looked up by value; the set is small.
        !self.opted_out.is_empty() && self.opted_out.contains(&(sender.to_owned(), phone.to_owned()))
    }

    pub(crate) fn set_opted_out(&mut self, sender: &str, phone: &str, out: bool) {
        let pair = (sender.to_owned(), phone.to_owned());
        if out {
            self.opted_out.insert(pair);
        } else {
            self.opted_out.remove(&pair);
        }
    }

    pub(crate) fn opted_out_senders(&self, phone: &str) -> Vec<&str> {
        self.opted_out.iter().filter(|(_, p)| p == phone).map(|(sender, _)| sender.as_str()).collect()
    }

    /// How long a new text of `segments` waits in `sender`'s queue; the text is not queued yet.
    pub(crate) fn queue(&self, sender: &str) -> Duration {
        let now = Instant::now();
        self.busy_until.get(sender).map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Queues a text that takes `airtime`.
    pub(crate) fn occupy(&mut self, sender: &str, airtime: Duration) {
        let until = Instant::now() + self.queue(sender) + airtime;
        self.busy_until.insert(sender.to_owned(), until);
    }

    pub(crate) fn journey(&self, phone: &str) -> Journey {
        self.journeys.get(phone).unwrap_or(&self.usual_journey).clone()
    }

    /// What the store keeps.
    pub(crate) fn entries(&self, write: &mut dyn FnMut(Entry<'_>)) {
        for text in self.messages.values() {
            write(Entry::Text(Cow::Borrowed(text)));
        }
        for media in self.media.values() {
            write(Entry::Media(Arc::clone(media)));
        }
        for (sender, phone) in &self.opted_out {
            write(Entry::OptOut { sender: sender.into(), phone: phone.into(), out: true });
        }
    }
}
