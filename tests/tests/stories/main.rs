//! Stories of the whole house: a hub between pretend providers, and what people, machines and bad luck do to it. One
//! program tells them all, so that they wait side by side; `cargo test --test stories relay::` tells those of one file.
//! With `SWITCHBOARD_STORIES_ON=aws` they are told of the deployed house.

mod chat;
mod closed_pipes;
mod command_line;
mod commands;
mod crash;
mod doors;
mod durable;
mod edits;
mod full;
mod limits;
mod media;
mod providers_failing;
mod redelivered;
mod relay;
mod sign_in;
mod wiring;
mod words;
