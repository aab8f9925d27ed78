//! What a function is told: names of tables and queues in its environment, secrets and the rooms by reference.
//!
//! `SWITCHBOARD_PARAMETERS` is a list of `NAME=/path`, separated by commas: each is read from the Parameter Store
//! at init, decrypted, and stands for the environment's `NAME`. A path that begins with
//! `/aws/reference/secretsmanager/` is a secret of the Secrets Manager. So no secret is in the environment, in the
//! template or in the artifact.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use switchboard_bridges::Settings;
use switchboard_bridges::settings::{Carries, Document};
use switchboard_core::{Links, Rooms, Secret};
use switchboard_hosts::rooms;
use url::Url;

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
        let fetched = referred.into_iter().map(async |(name, path)| {
            let value = fetch(signer, &path).await?;
            anyhow::Ok((name, value))
        });
        environment.extend(futures::future::try_join_all(fetched).await?);
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

    /// What the bridges are configured with.
    ///
    /// # Errors
    /// The place, the fault and the mend.
    pub(crate) fn settings(&self) -> Result<Settings> {
        let text = self.get("SWITCHBOARD_CONFIGURATION").unwrap_or_default();
        let document = Document::parse("the configuration", text)?;
        let rooms: Rooms = document.section("rooms")?.unwrap_or_default();
        rooms::check(&rooms)?;
        let base = self.get("PUBLIC_BASE_URL").unwrap_or("https://unset.invalid");
        let base: Url = base.parse().with_context(|| format!("PUBLIC_BASE_URL is {base:?}, no address"))?;
        // Who has no key signs nothing that anybody could check: one of its own is safer than an empty one.
        let made = || rand::random::<[u64; 4]>().map(|word| format!("{word:016x}")).concat();
        let key = Secret::new(self.get("SWITCHBOARD_LINK_KEY").map_or_else(made, str::to_owned));
        Ok(Settings {
            environment: self.values.clone(),
            rooms: Arc::new(rooms),
            links: Links::new(base, key),
            listens_on: None,
            pages: &["chat"],
            carries: CARRIES,
            document,
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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    parameter: Parameter,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    value: String,
}

/// One parameter. Each is asked for by itself, all at once: so a role can name the one that it may read.
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html>
async fn fetch(signer: &Signer, path: &str) -> Result<String> {
    let body = json!({ "Name": path, "WithDecryption": true }).to_string();
    let request = http::Request::post(format!("{}/", signer.endpoint("ssm")))
        .header("Content-Type", "application/x-amz-json-1.1")
        .header("X-Amz-Target", "AmazonSSM.GetParameter")
        .body(Bytes::from(body))?;
    let answer = signer.send("ssm", request).await.context("the Parameter Store")?;
    if answer.status().is_success() {
        let answer: Answer = serde_json::from_slice(answer.body()).context("the Parameter Store's answer")?;
        return Ok(answer.parameter.value);
    }
    let why = String::from_utf8_lossy(answer.body()).chars().take(300).collect::<String>();
    if why.contains("ParameterNotFound") {
        bail!(
            "there is no parameter {path} — to mend it: aws ssm put-parameter --type SecureString --name {path} --value …"
        );
    }
    bail!(
        "the parameter {path} cannot be read: {} {why} — to mend it: let the function's role read it",
        answer.status()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_names_and_paths() {
        let read = references(Some("A=/b/c, D=/aws/reference/secretsmanager/e,")).unwrap();
        let expected = [("A", "/b/c"), ("D", "/aws/reference/secretsmanager/e")];
        assert_eq!(read, expected.map(|(name, path)| (name.to_owned(), path.to_owned())));
        assert!(references(None).unwrap().is_empty());
        let error = references(Some("A")).unwrap_err().to_string();
        assert!(error.contains("NAME=/path"), "{error}");
    }
}
