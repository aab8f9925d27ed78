//! Stories of the sandbox against a hub that only listens.

#![expect(clippy::unwrap_used, reason = "a story that fails there has failed")]

mod support;

mod slack_events;
mod slack_files;
mod slack_web_api;
mod twilio_inbound;
mod twilio_messages;
mod twilio_statuses;

mod notices;
mod page;

mod failing;
mod restarting;
