//! The deployed stack as an operator's machine sees it, with that machine's own credentials: what `switchboard-aws`
//! does.
//!
//! Everything is read from the functions' own environments: they name the tables, the queues and the parameters.

mod chat;
pub mod doctor;
pub mod next;
pub mod pages;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde::Deserialize;

use crate::Clients;

/// One function of the stack.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Deployed {
    /// `<stack>-sms-out`.
    pub function_name: String,
    /// `sms.out`.
    pub handler: String,
    /// `Active`, or why not.
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    environment: Environment,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    functions: Vec<Deployed>,
    #[serde(default)]
    next_marker: Option<String>,
}

impl Deployed {
    /// A value of its environment; blank counts as absent.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.environment.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// The functions of a stack, by name.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html>
///
/// # Errors
/// When AWS cannot be asked, or there is no such stack.
pub async fn functions(clients: &Clients, stack: &str) -> Result<Vec<Deployed>> {
    let mut found: Vec<Deployed> = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let from = marker.take().map(|marker| {
            let escaped: String = url::form_urlencoded::byte_serialize(marker.as_bytes()).collect();
            format!("&Marker={escaped}")
        });
        let address = format!(
            "{}/2015-03-31/functions/?MaxItems=50{}",
            clients.signer.endpoint("lambda"),
            from.unwrap_or_default()
        );
        let answer = clients.signer.send("lambda", http::Request::get(address).body(Bytes::new())?).await?;
        if !answer.status().is_success() {
            bail!(
                "AWS does not list the functions: {} — to mend it: see that the credentials are those of the account",
                answer.status()
            );
        }
        let page: Page = serde_json::from_slice(answer.body()).context("Lambda's list of functions")?;
        let prefix = format!("{stack}-");
        found.extend(
            page.functions.into_iter().filter(|function| function.function_name.starts_with(&prefix)),
        );
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    if found.is_empty() {
        bail!(
            "there is no stack {stack} here — to mend it: make deploy, or name another with --stack, or another region"
        );
    }
    found.sort_by(|one, other| one.function_name.cmp(&other.function_name));
    Ok(found)
}
