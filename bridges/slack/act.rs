//! The talk with Slack: one deed, one exchange. No store is touched here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use switchboard_core::{Failure, MessageId, Ports, Timestamp};

use super::deeds::{Deed, Done, Fetch, Fetched, Post, Upload};
use super::said::SlackTs;
use super::store::Own;
use super::web_api::{THREAD_REFUSED, Trouble, Twice, WebApi};
use super::wire::MARK;
use super::{Slack, files, names};

/// How much earlier than the first attempt a post is looked for: Slack's clock is not ours.
const CLOCK_SKEW: std::time::Duration = std::time::Duration::from_secs(2);
/// There is nothing to be done about a reaction: it is so already, Slack has none of that name or has enough, or the
/// message is gone. <https://docs.slack.dev/reference/methods/reactions.add>
const NO_REACTION: &[&str] = &[
    "already_reacted",
    "no_reaction",
    "invalid_name",
    "message_not_found",
    "too_many_emoji",
    "too_many_reactions",
    "thread_locked",
];
/// How many pages of a channel's history are looked through for a post.
const HISTORY_PAGES: usize = 5;

pub(super) async fn act(slack: &Slack, deed: Deed, ports: &Ports<'_>) -> Result<Done, Failure> {
    let api = WebApi::new(slack, ports.http);
    match deed {
        Deed::Post(post) => send_post(&api, &post).await,
        Deed::Update { channel, ts, text } => {
            let body = json!({ "channel": channel, "ts": ts.as_str(), "text": text, "parse": "none", "link_names": false });
            match api.json::<Value>("chat.update", &body, Twice::Harmless).await {
                Err(trouble) if !trouble.is(&["message_not_found"]) => Err(trouble.failure("chat.update")),
                _ => Ok(Done::Changed),
            }
        }
        Deed::Delete { channel, ts, files } => {
            let body = json!({ "channel": channel, "ts": ts.as_str() });
            match api.json::<Value>("chat.delete", &body, Twice::Harmless).await {
                Err(trouble) if !trouble.is(&["message_not_found"]) => {
                    return Err(trouble.failure("chat.delete"));
                }
                _ => {}
            }
            files::delete(&api, &files).await.map(|()| Done::Changed)
        }
        Deed::React { channel, ts, name, added } => {
            let method = if added { "reactions.add" } else { "reactions.remove" };
            let body = json!({ "channel": channel, "timestamp": ts.as_str(), "name": name });
            match api.json::<Value>(method, &body, Twice::Harmless).await {
                Err(trouble) if !trouble.is(NO_REACTION) => Err(trouble.failure(method)),
                _ => Ok(Done::Changed),
            }
        }
        Deed::Upload(upload) => files::upload(slack, &upload, ports).await,
        Deed::Withdraw { files } => files::delete(&api, &files).await.map(|()| Done::Changed),
        Deed::Fetch(fetch) => fetch_missing(slack, &fetch, ports).await.map(Done::Fetched),
        Deed::Gather(fetch) => {
            let attachments = files::gather(&fetch.said.message_id(), &fetch.said.files, ports).await?;
            Ok(Done::Fetched(Fetched { attachments, ..Fetched::default() }))
        }
    }
}

/// Asks for all that is missing to say a message. Nothing is seen by anybody, so it may be done again.
async fn fetch_missing(slack: &Slack, fetch: &Fetch, ports: &Ports<'_>) -> Result<Fetched, Failure> {
    let api = WebApi::new(slack, ports.http);
    let mut fetched = Fetched::default();
    if fetch.missing.ourselves {
        fetched.own = names::ask_ourselves(&api).await?;
        if fetched.own.bot == fetch.said.author.bot {
            return Ok(fetched);
        }
    }
    let named = ask_names(&api, &fetch.missing.names).await;
    // Whatever became of the names: what is kept of the files stays.
    if fetch.missing.files {
        let message = fetch.said.message_id();
        fetched.attachments = files::fetch_all(slack, ports, &message, &fetch.said.files).await?;
    }
    fetched.names = named?;
    Ok(fetched)
}

async fn ask_names(api: &WebApi<'_>, ids: &[String]) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let mut names = BTreeMap::new();
    for id in ids {
        names.insert(id.clone(), names::ask(api, id).await?);
    }
    Ok(names)
}

/// Was it done before? Changes are the same done twice; a post is looked for by its mark.
pub(super) async fn find(
    slack: &Slack,
    deed: Deed,
    since: Timestamp,
    ports: &Ports<'_>,
) -> Result<Option<Done>, Failure> {
    let api = WebApi::new(slack, ports.http);
    match deed {
        Deed::Post(post) => find_post(&api, &post, since).await,
        Deed::Upload(upload) => find_upload(&api, &upload, since).await,
        Deed::Update { .. }
        | Deed::Delete { .. }
        | Deed::React { .. }
        | Deed::Withdraw { .. }
        | Deed::Fetch(_)
        | Deed::Gather(_) => Ok(None),
    }
}

#[derive(Deserialize)]
struct Posted {
    ts: SlackTs,
    #[serde(default)]
    message: PostedMessage,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PostedMessage {
    ts: Option<SlackTs>,
    bot_id: Option<String>,
    user: Option<String>,
    team: Option<String>,
    metadata: Option<Value>,
}

impl PostedMessage {
    fn own(self) -> Own {
        Own { bot: self.bot_id, user: self.user, team: self.team }
    }
}

async fn send_post(api: &WebApi<'_>, post: &Post) -> Result<Done, Failure> {
    let mut body = json!({
        "channel": post.channel,
        "text": post.text,
        "username": post.username,
        "unfurl_links": false,
        "unfurl_media": false,
        "parse": "none",
        "link_names": false,
        "metadata": {
            "event_type": MARK,
            "event_payload": { "message_id": post.message_id, "hops": post.hops },
        },
    });
    if let Some(thread) = &post.thread {
        body["thread_ts"] = thread.as_str().into();
    }
    let mut answer: Result<Posted, Trouble> = api.json("chat.postMessage", &body, Twice::Seen).await;
    let refused = answer.as_ref().is_err_and(|trouble| trouble.is(THREAD_REFUSED));
    let unthreaded = post.thread.is_some() && refused;
    if unthreaded {
        body.as_object_mut().and_then(|body| body.remove("thread_ts"));
        answer = api.json("chat.postMessage", &body, Twice::Seen).await;
    }
    let posted = answer.map_err(|trouble| trouble.failure("chat.postMessage"))?;
    Ok(Done::Posted { ts: posted.ts, own: posted.message.own(), unthreaded })
}

#[derive(Deserialize)]
pub(super) struct History<M> {
    #[serde(default = "Vec::new")]
    messages: Vec<M>,
    #[serde(default)]
    response_metadata: Option<Cursor>,
}

#[derive(Deserialize)]
struct Cursor {
    #[serde(default)]
    next_cursor: String,
}

async fn find_post(api: &WebApi<'_>, post: &Post, since: Timestamp) -> Result<Option<Done>, Failure> {
    let is_it = |message: &PostedMessage| is_marked(message, &post.message_id);
    let mut found = look_back(api, &post.channel, post.thread.as_ref(), since, is_it).await?;
    // Its thread may have refused it: then it stands in the channel.
    let unthreaded = found.is_none() && post.thread.is_some();
    if unthreaded {
        found = look_back(api, &post.channel, None, since, is_it).await?;
    }
    Ok(found
        .and_then(|message| Some(Done::Posted { ts: message.ts.clone()?, own: message.own(), unthreaded })))
}

#[derive(Deserialize)]
struct FilesMessage {
    #[serde(default)]
    files: Vec<SharedFile>,
}

#[derive(Deserialize)]
struct SharedFile {
    id: String,
    title: Option<String>,
}

/// Files bear no mark of ours, but in the thread of one post the same list of files is the same upload.
async fn find_upload(api: &WebApi<'_>, upload: &Upload, since: Timestamp) -> Result<Option<Done>, Failure> {
    let mut ours: Vec<&str> = upload.files.iter().map(|file| file.name.as_str()).collect();
    ours.sort_unstable();
    let found = look_back(api, &upload.channel, Some(&upload.thread), since, |message: &FilesMessage| {
        let theirs = message.files.iter().map(|file| file.title.as_deref().unwrap_or_default());
        let mut theirs: Vec<&str> = theirs.collect();
        theirs.sort_unstable();
        theirs == ours
    });
    let files = |message: FilesMessage| message.files.into_iter().map(|file| file.id).collect();
    Ok(found.await?.map(|message| Done::Uploaded { files: files(message) }))
}

fn is_marked(message: &PostedMessage, id: &MessageId) -> bool {
    let metadata = message.metadata.as_ref();
    let marked = metadata.and_then(|metadata| {
        let ours = metadata.get("event_type")?.as_str()? == MARK;
        ours.then(|| metadata.get("event_payload")?.get("message_id")?.as_str()).flatten()
    });
    marked == Some(id.as_str())
}

/// The newest message of a channel or thread, not older than `since`, that `is_it`. Looks through a few pages.
async fn look_back<M: serde::de::DeserializeOwned>(
    api: &WebApi<'_>,
    channel: &str,
    thread: Option<&SlackTs>,
    since: Timestamp,
    is_it: impl Fn(&M) -> bool,
) -> Result<Option<M>, Failure> {
    let method = if thread.is_some() { "conversations.replies" } else { "conversations.history" };
    let oldest = since.minus(CLOCK_SKEW).ms();
    let oldest = format!("{}.{:03}000", oldest.div_euclid(1000), oldest.rem_euclid(1000));
    let mut cursor = String::new();
    for _ in 0..HISTORY_PAGES {
        let mut fields = vec![
            ("channel", channel),
            ("oldest", &oldest),
            ("inclusive", "true"),
            ("include_all_metadata", "true"),
            ("limit", "200"),
        ];
        if let Some(thread) = thread {
            fields.push(("ts", thread.as_str()));
        }
        if !cursor.is_empty() {
            fields.push(("cursor", &cursor));
        }
        let page: Result<History<M>, Trouble> = api.form(method, &fields, Twice::Harmless).await;
        let page = match page {
            // A thread that is gone holds nothing.
            Err(trouble) if trouble.is(&["thread_not_found"]) => return Ok(None),
            page => page.map_err(|trouble| trouble.failure(method))?,
        };
        if let Some(found) = page.messages.into_iter().find(&is_it) {
            return Ok(Some(found));
        }
        cursor = page.response_metadata.map(|next| next.next_cursor).unwrap_or_default();
        if cursor.is_empty() {
            break;
        }
    }
    Ok(None)
}
