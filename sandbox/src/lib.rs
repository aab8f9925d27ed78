//! Pretend Twilio and Slack that behave like the real ones: signatures, status callbacks, retries,
//! duplicates, limits and failures, on this machine and without accounts; and a board that shows what was published
//! to topics that people would subscribe to.
//!
//! It stands on the other side of the hub's doors, so it shares no code with the bridges: its
//! signatures and wire types are its own, and it is able to disagree with them. What it does follows
//! the providers' SDKs, specifications and documentation; each module names its source.
//!
//! Deliberately absent: accounts, pages (the web folder has those), and anything of the providers that
//! the hub does not use. It never leaves the machine: it fetches and posts to the hub only.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use switchboard_sandbox::{Sandbox, Settings};
//! let sandbox = Sandbox::new(Settings::for_hub("http://127.0.0.1:8080"))?;
//! let app = axum::Router::new().nest("/sandbox", sandbox.router());
//! # let _ = app;
//! sandbox.stop().await;
//! # Ok(()) }
//! ```

mod settings;

mod house;

mod control;
mod slack;
mod twilio;

mod answer;
mod body;
mod calls;
mod faults;
mod ids;
mod limits;
mod notices;
mod refusal;
mod ring;
mod sent_media;
mod signing;
mod store;
mod tasks;
mod webhooks;

pub use house::{Sandbox, StartError};
pub use notices::NoticeBoard;
pub use settings::{Behaviour, Limits, Settings, SlackApp, SlackLimits, TwilioAccount, TwilioLimits};
