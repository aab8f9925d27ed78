//! To be written.

use async_trait::async_trait;
use switchboard_core::*;

use crate::settings::{ConfigError, Settings};

/// To be written.
#[derive(Debug)]
pub struct Moderation;

impl Moderation {
    /// To be written.
    ///
    /// # Errors
    /// None yet.
    pub fn new(_settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

static DECLARATION: Declaration = Declaration { name: "moderation", doors: &[], listeners: &[] };

#[async_trait]
impl Bridge for Moderation {
    fn declaration(&self) -> &Declaration {
        &DECLARATION
    }

    async fn decide(&self, _arrival: &Arrival<'_>, _view: &dyn View) -> Result<Outcome, Failure> {
        Ok(Outcome::nothing())
    }
}
