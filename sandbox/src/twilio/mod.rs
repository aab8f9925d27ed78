//! The pretend Twilio: the Messages API, status callbacks and phones that text.
//!
//! API: <https://www.twilio.com/docs/messaging/api/message-resource>. Webhooks:
//! <https://www.twilio.com/docs/messaging/guides/webhook-request>. Not here: Messaging Services beyond one
//! sid, scheduling, voice, WhatsApp.
//!
//! `front` receives every API call: the ordered fault, the limits, the credentials, then the operation.

mod front;

mod create;
mod list;
mod resource;

mod callbacks;
mod carry;
mod inbound;
mod media;

mod opt_out;
mod segments;
mod texts;
mod twiml;
mod wire;

pub(crate) use carry::{Journey, resume};
pub(crate) use front::routes;
pub(crate) use inbound::text_the_hub;
pub(crate) use texts::{InboundMedia, Text, Texts};
