//! What both hosts do in the same way, written once: keep an outcome within its limits, carry out one attempt of
//! an effect, decide when to try again, reach the providers over HTTP, verify who an issuer's account is, write a hub
//! into a file and read it from one, know how long to keep what is settled, print what a command says.
//!
//! Deliberately absent: where things are stored, what hands events out, who is let in at a provider's door. Those are each
//! host's own.

pub mod again;
pub mod archive;
pub mod attempt;
pub mod credentials;
pub mod handover;
pub mod http;
pub mod limits;
pub mod output;
pub mod pages;
mod recorded;
pub mod rooms;
pub mod sign_in;
