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
use switchboard_bridges::settings::Document;
use switchboard_core::{Links, Rooms, Secret};
use switchboard_hosts::rooms;
use url::Url;

use crate::signed::Signer;

/// Most names of one request. <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>
const MAX_NAMES: usize = 10;

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
        for some in referred.chunks(MAX_NAMES) {
            let found = fetch(signer, some).await?;
            environment.extend(found);
        }
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
        let key = Secret::new(self.get("SWITCHBOARD_LINK_KEY").unwrap_or_default());
        Ok(Settings {
            environment: self.values.clone(),
            rooms: Arc::new(rooms),
            links: Links::new(base, key),
            listens_on: None,
            document,
        })
    }
}

/// The names and paths of a list `NAME=/path,…`.
fn references(list: Option<&str>) -> Result<Vec<(String, String)>> {
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
    #[serde(default)]
    parameters: Vec<Parameter>,
    #[serde(default)]
    invalid_parameters: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    name: String,
    value: String,
}

async fn fetch(signer: &Signer, referred: &[(String, String)]) -> Result<Vec<(String, String)>> {
    let paths: Vec<&str> = referred.iter().map(|(_, path)| path.as_str()).collect();
    let body = json!({ "Names": paths, "WithDecryption": true }).to_string();
    let request = http::Request::post(format!("{}/", signer.endpoint("ssm")))
        .header("Content-Type", "application/x-amz-json-1.1")
        .header("X-Amz-Target", "AmazonSSM.GetParameters")
        .body(Bytes::from(body))?;
    let answer = signer.send("ssm", request).await.context("the Parameter Store")?;
    if !answer.status().is_success() {
        let why = String::from_utf8_lossy(answer.body()).chars().take(300).collect::<String>();
        bail!(
            "{} cannot be read: {} {why} — to mend it: see that the function's role may read them",
            paths.join(", "),
            answer.status()
        );
    }
    let answer: Answer = serde_json::from_slice(answer.body()).context("the Parameter Store's answer")?;
    if let Some(missing) = answer.invalid_parameters.first() {
        bail!(
            "there is no parameter {missing} — to mend it: aws ssm put-parameter --type SecureString --name {missing} --value …"
        );
    }
    let value_of = |path: &str| answer.parameters.iter().find(|found| found.name == path);
    referred
        .iter()
        .map(|(name, path)| {
            let found = value_of(path).with_context(|| format!("the Parameter Store left out {path}"))?;
            Ok((name.clone(), found.value.clone()))
        })
        .collect()
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
