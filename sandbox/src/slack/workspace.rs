//! What the workspace holds: channels with their messages, people, files.
//!
//! A message is found by its ts, a thread by its parent's; nothing is walked but lists. Each channel forgets
//! its oldest messages beyond [`KEPT`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};

use super::files::Files;
use super::message::{Message, Ts};
use crate::ids::now_us;
use crate::ring::Ring;
use crate::settings::SlackApp;
use crate::store::Entry;

/// How many messages a channel keeps.
const KEPT: usize = 10_000;

pub(crate) struct Workspace {
    pub(crate) team: Arc<str>,
    pub(crate) bot_user: Arc<str>,
    pub(crate) bot_id: Arc<str>,
    pub(crate) app_id: Arc<str>,
    pub(crate) bot_profile: Arc<Value>,
    pub(crate) users: BTreeMap<String, User>,
    channels: HashMap<String, Channel>,
    pub(crate) files: Files,
    /// What may still be said to a response_url.
    pub(crate) invitations: HashMap<String, Invitation>,
    last_ts: Ts,
}

pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) is_bot: bool,
}

/// A response_url's place and what is left of it.
pub(crate) struct Invitation {
    pub(crate) channel: String,
    pub(crate) message: Option<Ts>,
    pub(crate) uses_left: u32,
    pub(crate) until_us: u64,
}

pub(crate) struct Channel {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) archived: bool,
    /// What only one person saw.
    pub(crate) ephemeral: Ring<Value>,
    messages: BTreeMap<Ts, Arc<Message>>,
    threads: HashMap<Ts, BTreeSet<Ts>>,
}

impl Workspace {
    pub(crate) fn new(app: &SlackApp) -> Workspace {
        let mut users: BTreeMap<String, User> = BTreeMap::new();
        for (id, name, display_name) in &app.users {
            let user = User { name: name.clone(), display_name: display_name.clone(), is_bot: false };
            users.insert(id.clone(), user);
        }
        let bot = User { name: "switchboard".into(), display_name: "Switchboard".into(), is_bot: true };
        users.insert(app.bot_user_id.clone(), bot);
        let profile = json!({
            "id": app.bot_id, "app_id": app.app_id, "name": "Switchboard", "deleted": false,
            "updated": 1_700_000_000, "team_id": app.team_id,
            "icons": { "image_36": "", "image_48": "", "image_72": "" },
        });
        let mut workspace = Workspace {
            team: app.team_id.as_str().into(),
            bot_user: app.bot_user_id.as_str().into(),
            bot_id: app.bot_id.as_str().into(),
            app_id: app.app_id.as_str().into(),
            bot_profile: Arc::new(profile),
            users,
            channels: HashMap::new(),
            files: Files::default(),
            invitations: HashMap::new(),
            last_ts: Ts(0),
        };
        for (id, name) in &app.channels {
            workspace.add_channel(id, name);
        }
        workspace
    }

    pub(crate) fn add_user(&mut self, id: &str, name: &str, display_name: &str) {
        let user = User { name: name.into(), display_name: display_name.into(), is_bot: false };
        self.users.insert(id.to_owned(), user);
    }

    pub(crate) fn add_channel(&mut self, id: &str, name: &str) {
        if let Some(channel) = self.channels.get_mut(id) {
            name.clone_into(&mut channel.name);
            return;
        }
        self.channels.insert(id.to_owned(), Channel::new(id, name));
    }

    pub(crate) fn channel(&self, id: &str) -> Option<&Channel> {
        self.channels.get(id)
    }

    pub(crate) fn channel_mut(&mut self, id: &str) -> Option<&mut Channel> {
        self.channels.get_mut(id)
    }

    pub(crate) fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.values()
    }

    /// The channel's id for what a caller named: an id, `#name`, or a person, whose direct messages are
    /// opened.
    pub(crate) fn find_channel(&mut self, named: &str) -> Option<String> {
        if self.channels.contains_key(named) {
            return Some(named.to_owned());
        }
        if let Some(user) = self.users.get(named) {
            let (id, name) = (format!("D{}", named.get(1..)?), user.name.clone());
            self.add_channel(&id, &name);
            return Some(id);
        }
        let name = named.strip_prefix('#')?;
        self.channels.values().find(|channel| channel.name == name).map(|channel| channel.id.clone())
    }

    /// A ts that is later than every one before.
    pub(crate) fn next_ts(&mut self) -> Ts {
        self.last_ts = Ts(now_us().max(self.last_ts.0 + 1));
        self.last_ts
    }

    /// Puts back what the store held.
    pub(crate) fn restore_message(&mut self, channel: &str, message: Arc<Message>) {
        self.last_ts = self.last_ts.max(message.ts);
        self.find_channel(channel);
        if !self.channels.contains_key(channel) {
            self.add_channel(channel, channel);
        }
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.put(message);
        }
    }

    /// What the store keeps.
    pub(crate) fn entries(&self, write: &mut dyn FnMut(Entry<'_>)) {
        for channel in self.channels.values() {
            write(Entry::Channel { id: Cow::Borrowed(&channel.id), name: Cow::Borrowed(&channel.name) });
            for message in channel.messages.values() {
                write(Entry::Message { channel: Cow::Borrowed(&channel.id), message: Arc::clone(message) });
            }
        }
        for file in self.files.all() {
            write(Entry::File(Arc::clone(file)));
        }
    }
}

impl Channel {
    fn new(id: &str, name: &str) -> Channel {
        Channel {
            id: id.to_owned(),
            name: name.to_owned(),
            archived: false,
            ephemeral: Ring::new(100),
            messages: BTreeMap::new(),
            threads: HashMap::new(),
        }
    }

    /// `channel`, or `im` for direct messages.
    pub(crate) fn kind(&self) -> &'static str {
        if self.id.starts_with('D') { "im" } else { "channel" }
    }

    pub(crate) fn get(&self, ts: Ts) -> Option<&Arc<Message>> {
        self.messages.get(&ts)
    }

    /// Adds a message, or replaces the one with its ts.
    pub(crate) fn put(&mut self, message: Arc<Message>) {
        if let Some(parent) = message.thread_ts.filter(|parent| *parent != message.ts) {
            self.threads.entry(parent).or_default().insert(message.ts);
        }
        self.messages.insert(message.ts, message);
        if self.messages.len() > KEPT
            && let Some(oldest) = self.messages.keys().next().copied()
        {
            self.remove(oldest);
        }
    }

    pub(crate) fn remove(&mut self, ts: Ts) -> Option<Arc<Message>> {
        let message = self.messages.remove(&ts)?;
        if let Some(parent) = message.thread_ts
            && let Some(thread) = self.threads.get_mut(&parent)
        {
            thread.remove(&ts);
            if thread.is_empty() {
                self.threads.remove(&parent);
            }
        }
        Some(message)
    }

    /// The ts of a thread's replies, oldest first.
    pub(crate) fn replies(&self, parent: Ts) -> impl DoubleEndedIterator<Item = &Arc<Message>> {
        self.threads.get(&parent).into_iter().flatten().filter_map(|ts| self.messages.get(ts))
    }

    pub(crate) fn has_replies(&self, parent: Ts) -> bool {
        self.threads.contains_key(&parent)
    }

    /// Messages in a range of time, oldest first, replies among them.
    pub(crate) fn between(&self, oldest: Ts, latest: Ts) -> impl DoubleEndedIterator<Item = &Arc<Message>> {
        let range = (oldest <= latest).then(|| self.messages.range(oldest..=latest));
        range.into_iter().flatten().map(|(_, message)| message)
    }

    pub(crate) fn message_count(&self) -> usize {
        self.messages.len()
    }
}
