//! Stories: people talk in the chat, with phones and Slack in the same room; connections break, and nothing is
//! lost or said twice.

mod cut;
mod described;
mod found;
mod hostile;
mod talking;

use serde_json::Value;

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().unwrap_or_default()).collect()
}
