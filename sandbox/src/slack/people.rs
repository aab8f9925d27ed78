//! What people in the workspace do: say, edit, delete, react. Each tells the hub.
//!
//! Text is taken as typed, so `<!channel>` is five escaped characters and a word; `raw` takes it as Slack
//! keeps it, with tokens.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::chat;
use super::files::StoredFile;
use super::message::{Edited, Message, Ts};
use super::mrkdwn;
use super::workspace::Workspace;
use super::{events::Event, reactions};
use crate::house::{House, locked};
use crate::ids::{now_ms, slack_id, uuid};
use crate::refusal::Refusal;
use crate::sent_media::SentMedia;
use crate::store::Entry;

/// `POST /slack/channels/{id}/say`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saying {
    pub(crate) user: String,
    #[serde(default)]
    pub(crate) text: String,
    pub(crate) thread_ts: Option<Ts>,
    /// Shown in the channel as well as in its thread.
    #[serde(default)]
    pub(crate) broadcast: bool,
    #[serde(default)]
    pub(crate) files: Vec<SentMedia>,
    #[serde(default)]
    pub(crate) raw: bool,
}

/// `POST /slack/channels/{id}/edit`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    pub(crate) ts: Ts,
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) raw: bool,
}

/// `POST /slack/channels/{id}/delete`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deletion {
    pub(crate) ts: Ts,
}

/// `POST /slack/channels/{id}/react`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reacting {
    pub(crate) user: String,
    pub(crate) ts: Ts,
    pub(crate) name: String,
    /// Takes the reaction away.
    #[serde(default)]
    pub(crate) remove: bool,
}

type Told = Result<Value, Refusal>;

/// What is kept of a text.
fn kept(text: &str, raw: bool) -> String {
    if raw { text.to_owned() } else { mrkdwn::typed(text) }
}

/// The rich text that Slack's own clients send beside the text.
fn rich_text(text: &str) -> Value {
    json!([{ "type": "rich_text", "block_id": slack_id("b"), "elements": [
        { "type": "rich_text_section", "elements": [{ "type": "text", "text": text }] },
    ] }])
}

pub(crate) async fn say(house: &Arc<House>, channel_id: &str, saying: Saying) -> Told {
    let (ts, event) = {
        let mut guard = locked(&house.workspace);
        let workspace = &mut *guard;
        let channel = workspace.find_channel(channel_id).ok_or_else(|| Refusal::no_channel(channel_id))?;
        if !workspace.users.contains_key(&saying.user) {
            return Err(Refusal::no_user(&saying.user));
        }
        let message = Arc::new(said(house, workspace, &channel, &saying)?);
        house.keep(&Entry::Message { channel: channel.as_str().into(), message: Arc::clone(&message) });
        if let Some(channel) = workspace.channel_mut(&channel) {
            channel.put(Arc::clone(&message));
        }
        let channel = workspace.channel(&channel).ok_or_else(|| Refusal::no_channel(channel_id))?;
        (message.ts, workspace.posted(channel, &message))
    };
    told(house, ts, event).await
}

fn said(house: &House, workspace: &mut Workspace, channel: &str, saying: &Saying) -> Result<Message, String> {
    let ts = workspace.next_ts();
    let user = Arc::from(saying.user.as_str());
    let mut message = Message::bare(ts, &workspace.team, kept(&saying.text, saying.raw));
    message.user = Some(Arc::clone(&user));
    message.client_msg_id = Some(uuid());
    message.blocks = (!saying.text.is_empty()).then(|| rich_text(&saying.text));
    message.thread_ts = saying.thread_ts;
    if let Some(parent_ts) = saying.thread_ts {
        let parent = workspace.channel(channel).and_then(|channel| channel.get(parent_ts));
        message.parent_user_id = parent.and_then(|parent| parent.user.clone());
        message.subtype = saying.broadcast.then(|| "thread_broadcast".into());
    }
    for sent in &saying.files {
        let extension = sent.content_type.rsplit('/').next().unwrap_or("bin");
        let name = sent.name.clone().unwrap_or_else(|| format!("file.{extension}"));
        let file = Arc::new(StoredFile {
            id: slack_id("F"),
            title: name.clone(),
            name,
            mimetype: sent.content_type.clone(),
            user: saying.user.clone(),
            created_ms: now_ms(),
            shares: vec![(channel.to_owned(), ts)],
            bytes: sent.bytes()?,
            uploaded: true,
            complete: true,
        });
        message.share(file.wire(house));
        house.keep(&Entry::File(Arc::clone(&file)));
        workspace.files.put(file);
    }
    Ok(message)
}

pub(crate) async fn edit(house: &Arc<House>, channel_id: &str, edit: Edit) -> Told {
    let event = {
        let mut guard = locked(&house.workspace);
        let workspace = &mut *guard;
        let at = workspace.next_ts();
        let channel = workspace.channel_mut(channel_id).ok_or_else(|| Refusal::no_channel(channel_id))?;
        let before = channel.get(edit.ts).filter(|message| !message.hidden).cloned();
        let before = before.ok_or_else(Refusal::no_message)?;
        let author = before.user.clone().filter(|_| before.bot_id.is_none());
        let author = author.ok_or("a person cannot edit the bot's message")?;
        let mut after = Message::clone(&before);
        after.text = kept(&edit.text, edit.raw);
        after.blocks = Some(rich_text(&edit.text));
        after.edited = Some(Edited { user: author, ts: at });
        let after = Arc::new(after);
        house.keep(&Entry::Message { channel: channel_id.into(), message: Arc::clone(&after) });
        channel.put(Arc::clone(&after));
        let channel = workspace.channel(channel_id).ok_or_else(|| Refusal::no_channel(channel_id))?;
        workspace.changed(channel, &before, &after, at)
    };
    told(house, edit.ts, event).await
}

/// Anyone's message: an administrator of the workspace may delete the bot's.
pub(crate) async fn delete(house: &Arc<House>, channel_id: &str, deletion: Deletion) -> Told {
    let event = {
        let mut workspace = locked(&house.workspace);
        let channel = workspace.channel(channel_id).ok_or_else(|| Refusal::no_channel(channel_id))?;
        if channel.get(deletion.ts).is_none_or(|message| message.hidden) {
            return Err(Refusal::no_message());
        }
        chat::take_away(house, &mut workspace, channel_id, deletion.ts)
    };
    told(house, deletion.ts, event.ok_or("the message is gone already")?).await
}

pub(crate) async fn react(house: &Arc<House>, channel_id: &str, reacting: Reacting) -> Told {
    let Reacting { user, ts, name, remove } = reacting;
    let event = {
        let mut workspace = locked(&house.workspace);
        reactions::change(house, &mut workspace, channel_id, ts, &user, &name, !remove)
    };
    told(house, ts, event.map_err(|error| format!("Slack says {error}"))?).await
}

async fn told(house: &Arc<House>, ts: Ts, event: Event) -> Told {
    let event_id = event.event_id.clone();
    let attempt = house.tell(event).await;
    Ok(json!({ "ts": ts, "event_id": event_id, "webhook": attempt }))
}
