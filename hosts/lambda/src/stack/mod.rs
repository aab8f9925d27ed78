//! The deployed stack as an operator's machine sees it, with that machine's own credentials: what `switchboard-aws`
//! does.
//!
//! Everything is read from the functions' own environments: they name the tables, the queues and the parameters.

mod chat;
pub mod clear;
pub mod doctor;
pub mod next;
pub mod pages;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde::Deserialize;
use switchboard_bridges::Settings;

use crate::Clients;
use crate::configuration::Configuration;

/// One function of the stack.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Deployed {
    /// `<stack>-sms-out`.
    pub function_name: String,
    /// `sms.out`; empty for a function that is made of an image.
    #[serde(default)]
    pub handler: String,
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

    /// Whether it is of this stack, as the template names functions: `switchboard-sms-out` is `sms.out` of
    /// `switchboard`, and `switchboard-two-sms-out` is another stack's.
    fn is_of(&self, stack: &str) -> bool {
        self.function_name == format!("{stack}-{}", self.handler.replace(['.', '_'], "-"))
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
        found.extend(page.functions.into_iter().filter(|function| function.is_of(stack)));
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

/// What a function is configured with, read as the function reads it.
///
/// # Errors
/// What it refers to and is not there, or is wrong.
pub(crate) async fn configured(clients: &Clients, function: &Deployed) -> Result<Settings> {
    let named = ["SWITCHBOARD_PARAMETERS", "SWITCHBOARD_SECRETS_IN"].into_iter();
    let environment =
        named.filter_map(|name| Some((name.to_owned(), function.value(name)?.to_owned()))).collect();
    Configuration::read(environment, &clients.signer).await?.settings(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stack_has_its_own_functions_and_none_of_a_stack_whose_name_begins_alike() {
        for (name, handler, expected) in [
            ("switchboard-sms-out", "sms.out", true),
            ("switchboard-web-chat-page", "web_chat.page", true),
            ("switchboard-journal", "journal", true),
            ("switchboard-two-sms-out", "sms.out", false),
            ("switchboard-backup", "backup.handler", false),
            ("switchboard", "sms.out", false),
        ] {
            let listed = json!({ "FunctionName": name, "Handler": handler });
            let function: Deployed = serde_json::from_value(listed).unwrap();
            assert_eq!(function.is_of("switchboard"), expected, "{name}");
        }
    }
}
