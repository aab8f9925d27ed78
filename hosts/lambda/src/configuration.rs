//! What a function is told: names of tables and queues in its environment, secrets and the rooms by reference.
//!
//! `SWITCHBOARD_PARAMETERS` is a list of `NAME=/path`, separated by commas: each is read at init, from the Parameter
//! Store or the Secrets Manager as `SWITCHBOARD_SECRETS_IN` says (`secrets`), and stands for the environment's
//! `NAME`. So no secret is in the environment, in the template or in the artifact.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use switchboard_bridges::Settings;
use switchboard_bridges::settings::{Carries, Document, LINK_KEY};
use switchboard_core::{Links, Rooms, Secret};
use switchboard_hosts::rooms;
use url::Url;

use crate::secrets::Kept;
use crate::signed::Signer;

/// A WebSocket API takes frames of 32 KB
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>);
/// an invocation takes 6 MB, in which a file is written in base64
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const CARRIES: Carries = Carries { frame_bytes: 32 * 1024, file_bytes: 4 * 1024 * 1024 };

/// The environment of a function, with what it refers to.
#[derive(Debug, Clone)]
pub struct Configuration {
    values: BTreeMap<String, String>,
}

impl Configuration {
    /// Reads what the environment refers to.
    ///
    /// # Errors
    /// A parameter that is not there, or may not be read, with the mend.
    pub(crate) async fn read(mut environment: BTreeMap<String, String>, signer: &Signer) -> Result<Self> {
        let referred = references(environment.get("SWITCHBOARD_PARAMETERS").map(String::as_str))?;
        let secrets_in = environment.get("SWITCHBOARD_SECRETS_IN").map(String::as_str);
        let fetched = referred.iter().map(async |(name, path)| {
            // Each is asked for by itself, all at once: so a role can name the one that it may read.
            anyhow::Ok((name.clone(), Kept::at(name, path, secrets_in).read(signer).await?))
        });
        let fetched = futures::future::try_join_all(fetched).await?;
        environment.extend(fetched);
        Ok(Self { values: environment })
    }

    /// A value that this kind of function cannot do without.
    ///
    /// # Errors
    /// Names it.
    pub(crate) fn require(&self, name: &str) -> Result<&str> {
        self.get(name)
            .with_context(|| format!("{name} is not set — to mend it: deploy template.yaml as it is"))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// What the bridge of this handler is configured with; without one, what all functions have in common.
    ///
    /// # Errors
    /// The place, the fault and the mend.
    pub(crate) fn settings(&self, handler: Option<&str>) -> Result<Settings> {
        let text = self.get("SWITCHBOARD_CONFIGURATION").unwrap_or_default();
        let document = Document::parse("the configuration", text)?;
        let rooms: Rooms = document.section("rooms")?.unwrap_or_default();
        rooms::check(&document, &rooms)?;
        let base = self.get("PUBLIC_BASE_URL").unwrap_or("https://unset.invalid");
        let base: Url = base.parse().with_context(|| format!("PUBLIC_BASE_URL is {base:?}, no address"))?;
        if handler.into_iter().flat_map(switchboard_bridges::secrets_of).any(|secret| secret == LINK_KEY) {
            self.require(LINK_KEY)?;
        }
        // Who has no key signs nothing that anybody could check: one of its own is safer than an empty one.
        let made = || rand::random::<[u64; 4]>().map(|word| format!("{word:016x}")).concat();
        let key = Secret::new(self.get(LINK_KEY).map_or_else(made, str::to_owned));
        Ok(Settings {
            environment: self.values.clone(),
            rooms: Arc::new(rooms),
            links: Links::new(base, key),
            listens_on: None,
            carries: CARRIES,
            pages: &["chat"],
            document,
            made_for: handler.map(str::to_owned),
        })
    }
}

/// The names and paths of a list `NAME=/path,…`.
pub(crate) fn references(list: Option<&str>) -> Result<Vec<(String, String)>> {
    let parts = list.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, path) = part.split_once('=').with_context(|| {
                format!("SWITCHBOARD_PARAMETERS has {part:?} — to mend it: write NAME=/path")
            })?;
            Ok((name.to_owned(), path.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_names_and_paths() {
        let read = references(Some("A=/b/c, D=/e,")).unwrap();
        let expected = [("A", "/b/c"), ("D", "/e")];
        assert_eq!(read, expected.map(|(name, path)| (name.to_owned(), path.to_owned())));
        assert!(references(None).unwrap().is_empty());
        let error = references(Some("A")).unwrap_err().to_string();
        assert!(error.contains("NAME=/path"), "{error}");
    }
}
