//! The pretend Slack: one workspace with one installed app, its Web API and its events.
//!
//! Web API: <https://docs.slack.dev/reference/methods>. Events: <https://docs.slack.dev/apis/events-api>.
//! Not here: Socket Mode, OAuth, modals, other workspaces, private channels' membership.
//!
//! `front` receives every API call: the ordered fault, the token, the limit, then the method. `people` is the
//! other side: what persons in the workspace say, change and press.

mod front;

mod chat;
mod conversations;
mod directory;
mod reactions;
mod uploads;

mod people;

mod commands;
mod events;

mod blocks;
mod files;
mod message;
mod mrkdwn;
mod view;
mod workspace;

pub(crate) use commands::{press, slash_command};
pub(crate) use events::url_verification;
pub(crate) use files::StoredFile;
pub(crate) use front::routes;
pub(crate) use message::{Message, Ts};
pub(crate) use people::{delete, edit, react, say};
pub(crate) use view::channel as view_channel;
pub(crate) use workspace::Workspace;
