//! Stories of the sandbox against a hub that only listens.

mod support;

mod api_shapes;
mod slack_events;
mod slack_files;
mod slack_web_api;
mod twilio_inbound;
mod twilio_messages;
mod twilio_statuses;

mod failing;
mod restarting;
