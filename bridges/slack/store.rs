//! What the bridge keeps, each item alone in its partition:
//!
//! | partition | says |
//! |---|---|
//! | `message/<message id>` | where the message stands in Slack: [`Place`] |
//! | `noted/<message id>` | that the message was said without what is missing: [`Noted`] |
//! | `withdrawn/<message id>` | that the message is withdrawn, where its post may still wait |
//! | `post/<channel>/<ts>` | which message our post there is: [`OwnPost`] |
//! | `name/<id>` | what a person, bot or channel is called: [`Name`] |
//! | `self` | what Slack calls us: [`Own`] |
//! | `channel/<channel>` | how the last delivery there went: [`LastDelivery`] |
//!
//! All but `self` and `channel/` expire: names after a day, places after `remember_days`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use switchboard_core::{
    Attachment, BlobId, Expect, Failure, Key, Message, MessageId, Revision, Timestamp, View, Write,
};

use super::said::SlackTs;

const SORT: &str = "item";

/// Where a message stands, whoever wrote it: what an edit, a deletion and an answer in its thread need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) channel: String,
    /// Absent where it was withdrawn before it was ever posted.
    pub(super) ts: Option<SlackTs>,
    /// The head of the thread that it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) thread: Option<SlackTs>,
    /// The files that we uploaded with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) files: Vec<String>,
    /// The files that our post of it shows, where others were missing: those may come later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) incomplete: Option<Vec<BlobId>>,
    /// The files that came with it, as they were fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) attachments: Vec<Attachment>,
    /// Who reacted from elsewhere, by the reaction's name; people as hashes. The app has one reaction of a name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) reactions: BTreeMap<String, BTreeSet<String>>,
    /// It was withdrawn: nothing more of it is to be shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) gone: bool,
}

/// A message that was said without some of its files or names, which were given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Noted {
    /// Which version was said so.
    pub(super) first: Revision,
    /// As it was said last.
    pub(super) message: Message,
}

/// A post of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnPost {
    pub(super) message_id: MessageId,
}

/// What somebody is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Name {
    name: String,
}

/// What Slack calls us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Own {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bot: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) team: Option<String>,
}

/// How the last delivery to a channel went, for `/switchboard status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastDelivery {
    pub(super) time: Timestamp,
    /// Why it failed; absent where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<String>,
}

pub(super) fn place_key(message: &MessageId) -> Key {
    Key::new(format!("message/{message}"), SORT)
}

pub(super) fn noted_key(message: &MessageId) -> Key {
    Key::new(format!("noted/{message}"), SORT)
}

pub(super) fn withdrawn_key(message: &MessageId) -> Key {
    Key::new(format!("withdrawn/{message}"), SORT)
}

pub(super) fn own_post_key(channel: &str, ts: &SlackTs) -> Key {
    Key::new(format!("post/{channel}/{}", ts.as_str()), SORT)
}

pub(super) fn name_key(id: &str) -> Key {
    Key::new(format!("name/{id}"), SORT)
}

pub(super) fn own_key() -> Key {
    Key::new("self", SORT)
}

pub(super) fn last_delivery_key(channel: &str) -> Key {
    Key::new(format!("channel/{channel}"), SORT)
}

/// An item and what a write that changes it must expect.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) value: Option<T>,
    pub(super) expect: Expect,
}

/// Reads an item in order to change it.
pub(super) async fn find<T: serde::de::DeserializeOwned>(
    view: &dyn View,
    key: &Key,
) -> Result<Found<T>, Failure> {
    match view.get(key).await? {
        Some(item) => Ok(Found { value: Some(item.read()?), expect: Expect::Version(item.version) }),
        None => Ok(Found { value: None, expect: Expect::Absent }),
    }
}

/// Reads an item.
pub(super) async fn get<T: serde::de::DeserializeOwned>(
    view: &dyn View,
    key: &Key,
) -> Result<Option<T>, Failure> {
    Ok(find(view, key).await?.value)
}

/// The writes that say that `message` is our post at `place`, made now or found as an echo. The first post that
/// is known stays the message's place, should the provider have taken it twice; what an echo could not tell of it
/// is added.
pub(super) async fn remember_post(
    view: &dyn View,
    message: &MessageId,
    place: Place,
    expires: Timestamp,
) -> Result<Vec<Write>, Failure> {
    let Some(ts) = place.ts.clone() else { return Ok(Vec::new()) };
    let mut writes = Vec::new();
    let post = own_post_key(&place.channel, &ts);
    if view.get(&post).await?.is_none() {
        let own = OwnPost { message_id: message.clone() };
        writes.push(Write::put(post, &own, Expect::Absent)?.expiring(expires));
    }
    let key = place_key(message);
    let Found { value, expect } = find::<Place>(view, &key).await?;
    let merged = match value.clone() {
        None => place,
        Some(known) => Place {
            incomplete: known.incomplete.or(place.incomplete),
            attachments: if known.attachments.is_empty() { place.attachments } else { known.attachments },
            ..known
        },
    };
    if value.as_ref() != Some(&merged) {
        writes.push(Write::put(key, &merged, expect)?.expiring(expires));
    }
    Ok(writes)
}

/// The write that keeps what an answer told us about ourselves, where it is news.
pub(super) async fn learn(view: &dyn View, told: Own) -> Result<Option<Write>, Failure> {
    if told == Own::default() {
        return Ok(None);
    }
    let found = find::<Own>(view, &own_key()).await?;
    let known = found.value.unwrap_or_default();
    let merged = Own {
        bot: told.bot.or_else(|| known.bot.clone()),
        user: told.user.or_else(|| known.user.clone()),
        team: told.team.or_else(|| known.team.clone()),
    };
    // Not conditional: whoever else writes it was told the same.
    (merged != known).then(|| Write::put(own_key(), &merged, Expect::Any)).transpose()
}

/// What somebody is called, where it is known.
pub(super) async fn name(view: &dyn View, id: &str) -> Result<Option<String>, Failure> {
    Ok(get::<Name>(view, &name_key(id)).await?.map(|name| name.name))
}

/// The write that keeps a name for a while.
pub(super) fn put_name(id: &str, name: &str, expires: Timestamp) -> Result<Write, Failure> {
    Ok(Write::put(name_key(id), &Name { name: name.to_owned() }, Expect::Any)?.expiring(expires))
}
