//! What was published to topics that people subscribe to: nobody does here, so it is shown instead.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::house::{House, locked};
use crate::ids::{now_ms, uuid};
use crate::ring::Ring;
use crate::store::Entry;

/// Of each topic the newest are kept.
const KEPT: usize = 200;
/// So many topics; what is published to more takes the place of the one that has been silent longest.
const TOPICS: usize = 50;

/// One that was published.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Published {
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) message: String,
    pub(crate) at_ms: u64,
}

/// All of them, by topic.
#[derive(Default)]
pub(crate) struct Notices {
    topics: BTreeMap<String, Ring<Published>>,
}

impl Notices {
    pub(crate) fn put(&mut self, topic: &str, published: Published) {
        if self.topics.len() == TOPICS && !self.topics.contains_key(topic) {
            let last = |ring: &Ring<Published>| ring.iter().next_back().map(|published| published.at_ms);
            let silent =
                self.topics.iter().min_by_key(|(_, ring)| last(ring)).map(|(topic, _)| topic.clone());
            silent.map(|topic| self.topics.remove(&topic));
        }
        self.topics.entry(topic.to_owned()).or_insert_with(|| Ring::new(KEPT)).push(published);
    }

    /// Topics, and how many are shown of each.
    pub(crate) fn topics(&self) -> impl Iterator<Item = (&str, usize)> {
        self.topics.iter().map(|(topic, ring)| (topic.as_str(), ring.iter().count()))
    }

    /// What was published to a topic, oldest first.
    pub(crate) fn of(&self, topic: &str) -> impl Iterator<Item = &Published> {
        self.topics.get(topic).into_iter().flat_map(Ring::iter)
    }

    /// What the store keeps.
    pub(crate) fn entries(&self, write: &mut dyn FnMut(Entry<'_>)) {
        for (topic, ring) in &self.topics {
            for published in ring.iter() {
                write(Entry::Notice { topic: topic.into(), published: Cow::Borrowed(published) });
            }
        }
    }
}

/// Where a hub publishes that has this sandbox.
#[derive(Clone)]
pub struct NoticeBoard(pub(crate) Arc<House>);

impl NoticeBoard {
    /// Shows something that is published to a topic, and gives the id that it has there.
    pub fn publish(&self, topic: &str, subject: &str, message: &str) -> String {
        let id = uuid();
        let published = Published {
            id: id.clone(),
            subject: subject.to_owned(),
            message: message.to_owned(),
            at_ms: now_ms(),
        };
        let mut notices = locked(&self.0.notices);
        self.0.keep(&Entry::Notice { topic: topic.into(), published: Cow::Borrowed(&published) });
        notices.put(topic, published);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_bounded_and_the_newest_stays() {
        let mut notices = Notices::default();
        let published = |at_ms: u64| Published {
            id: String::new(),
            subject: String::new(),
            message: at_ms.to_string(),
            at_ms,
        };
        for at in 0..KEPT as u64 + 1 {
            notices.put("first", published(at));
        }
        assert_eq!(notices.of("first").next().unwrap().message, "1");
        for topic in 0..TOPICS as u64 {
            notices.put(&format!("{topic}"), published(1_000 + topic));
        }
        assert_eq!((notices.topics().count(), notices.of("first").count()), (TOPICS, 0));
    }
}
