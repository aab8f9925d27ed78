//! `doctor`: checks the deployed stack by doing, and says what to mend.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde::Deserialize;
use switchboard_core::Http;

use super::{Deployed, chat, configured, next};
use crate::configuration::references;
use crate::secrets::Kept;
use crate::{Clients, moving};

/// One finding: what was looked at, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub about: String,
    /// What is wrong, with the mend; `None` when all is well.
    pub wrong: Option<String>,
}

/// Looks at everything that a stack needs.
pub async fn examine(clients: &Clients, functions: &[Deployed]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |about: String, wrong: Option<String>| findings.push(Finding { about, wrong });
    for function in functions {
        let wrong = match state(clients, function).await {
            Ok(state) => state.wrong(),
            Err(error) => Some(format!("{error:#}")),
        };
        find(format!("function {}", function.function_name), wrong);
    }
    for function in functions {
        let wrong = match moving::mappings(clients, function).await {
            Ok(mappings) => mappings
                .iter()
                .any(|mapping| mapping.is_paused())
                .then(|| "it does not listen to its queue — to mend it: switchboard-aws resume".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(wrong) = wrong {
            find(format!("queue of {}", function.function_name), Some(wrong));
        }
    }
    let values = |name: &str| -> BTreeSet<String> {
        functions.iter().filter_map(|function| function.value(name)).map(str::to_owned).collect()
    };
    for (name, reference, place) in references_of(functions) {
        let kept = Kept::at(&name, &reference, place.as_deref());
        let wrong = kept.look(&clients.signer).await.err().map(|error| format!("{error:#}"));
        find(kept.name(), wrong);
    }
    for table in values("SWITCHBOARD_TABLE") {
        let answer = clients.tables.describe_table().table_name(&table).send().await;
        let wrong = match answer {
            Ok(answer) => {
                let status = answer.table.and_then(|table| table.table_status);
                let active = status == Some(aws_sdk_dynamodb::types::TableStatus::Active);
                (!active).then(|| format!("it is {status:?}; wait, or look at it in DynamoDB's console"))
            }
            Err(_) => Some("it cannot be found — to mend it: make deploy".to_owned()),
        };
        find(format!("table {table}"), wrong);
    }
    for queue in values("SWITCHBOARD_DEAD_LETTERS") {
        let wrong = dead_letters(clients, &queue).await;
        find(format!("dead letters in {}", queue.rsplit('/').next().unwrap_or(&queue)), wrong);
    }
    let configured = |function: &&Deployed| {
        function
            .value("SWITCHBOARD_PARAMETERS")
            .is_some_and(|list| list.contains("SWITCHBOARD_CONFIGURATION="))
    };
    if let Some(function) = functions.iter().find(configured) {
        let wrong = rooms(clients, function).await;
        find("rooms and policy".to_owned(), wrong);
    }
    match next::address(functions) {
        Ok(address) => {
            let wrong = reach(clients, address).await;
            find(format!("doors at {address}"), wrong);
        }
        Err(error) => find("doors".to_owned(), Some(error.to_string())),
    }
    if let Some(address) = next::chat(functions) {
        findings.extend(chat::examine(clients, address).await);
    }
    findings
}

/// What Lambda says of a function. A list of functions leaves it out.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    state: String,
    state_reason: String,
    last_update_status: String,
    last_update_status_reason: String,
}

impl State {
    /// A function that nobody has called for weeks is inactive, and wakes with the next call.
    fn wrong(&self) -> Option<String> {
        let again = "— to mend it: make deploy; if it stays, look at it in Lambda's console";
        match (&*self.state, &*self.last_update_status) {
            ("Failed", _) => Some(format!("it has failed: {} {again}", self.state_reason)),
            (_, "Failed") => {
                Some(format!("its last update has failed: {} {again}", self.last_update_status_reason))
            }
            ("Pending", _) | (_, "InProgress") => {
                Some("it is still being made — to mend it: ask again in a minute".to_owned())
            }
            _ => None,
        }
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html>
async fn state(clients: &Clients, function: &Deployed) -> Result<State> {
    let name = &function.function_name;
    let address = format!("{}/2015-03-31/functions/{name}/configuration", clients.signer.endpoint("lambda"));
    let answer = clients.signer.send("lambda", http::Request::get(address).body(Bytes::new())?).await?;
    match answer.status().as_u16() {
        200 => serde_json::from_slice(answer.body()).context("what Lambda says of it"),
        404 => bail!("it is not there any more — to mend it: make deploy"),
        status => {
            bail!("Lambda does not say how it is: {status} — to mend it: use credentials that may look at it")
        }
    }
}

/// What any function refers to: each reference once, with a name that stands for it, and where secrets are.
fn references_of(functions: &[Deployed]) -> Vec<(String, String, Option<String>)> {
    let mut found = BTreeMap::new();
    for function in functions {
        let place = function.value("SWITCHBOARD_SECRETS_IN").map(str::to_owned);
        for (name, path) in references(function.value("SWITCHBOARD_PARAMETERS")).unwrap_or_default() {
            found.insert(path, (name, place.clone()));
        }
    }
    found.into_iter().map(|(path, (name, place))| (name, path, place)).collect()
}

async fn dead_letters(clients: &Clients, queue: &str) -> Option<String> {
    use aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
    let queues = aws_sdk_sqs::Client::new(&clients.config);
    let asked = queues.get_queue_attributes().queue_url(queue);
    let answer = asked.attribute_names(ApproximateNumberOfMessages).send().await;
    let Ok(answer) = answer else {
        return Some("the queue cannot be found — to mend it: make deploy".to_owned());
    };
    let count = answer.attributes.and_then(|mut counts| counts.remove(&ApproximateNumberOfMessages));
    match count.as_deref() {
        None | Some("0") => None,
        Some(count) => Some(format!(
            "{count} wait for somebody; each says why — to mend it: mend that, then start the queue's redrive (docs/aws.md)"
        )),
    }
}

async fn rooms(clients: &Clients, function: &Deployed) -> Option<String> {
    match configured(clients, function).await {
        Ok(settings) if settings.rooms.iter().next().is_none() => {
            Some("there is no room — to mend it: deploy with RoomsAndPolicy".to_owned())
        }
        Ok(_) => None,
        Err(error) => Some(format!("{error:#}")),
    }
}

/// Whether the doors answer from outside: an unsigned request has to be refused, and not by a gateway.
async fn reach(clients: &Clients, address: &str) -> Option<String> {
    let request = http::Request::post(format!("{address}/twilio/messages"))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(Bytes::from_static(b"doctor=1"));
    let Ok(request) = request else { return Some("it is no address".to_owned()) };
    match clients.http.send(request).await {
        Ok(answer) if answer.status().as_u16() == 403 => None,
        Ok(answer) => Some(format!(
            "an unsigned request is answered {} and not 403 — to mend it: see that PublicBaseUrl leads to the stack's API",
            answer.status()
        )),
        Err(error) => Some(format!("{error} — to mend it: see that PublicBaseUrl leads to the stack's API")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use switchboard_stories::aws::Emulator;

    use super::*;

    #[test]
    fn a_function_that_failed_or_is_not_ready_is_told_and_one_that_sleeps_is_not() {
        for (said, expected) in [
            (json!({ "State": "Active", "LastUpdateStatus": "Successful" }), None),
            (json!({ "State": "Inactive", "LastUpdateStatus": "Successful" }), None),
            (
                json!({ "State": "Failed", "StateReason": "no role" }),
                Some("it has failed: no role — to mend it"),
            ),
            (
                json!({ "State": "Active", "LastUpdateStatus": "Failed", "LastUpdateStatusReason": "no role" }),
                Some("its last update has failed: no role — to mend it"),
            ),
            (json!({ "State": "Pending" }), Some("ask again in a minute")),
        ] {
            let state: State = serde_json::from_value(said).unwrap();
            match (state.wrong(), expected) {
                (None, None) => {}
                (Some(wrong), Some(words)) => assert!(wrong.contains(words), "{wrong}"),
                (wrong, _) => panic!("{wrong:?} and not {expected:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_function_a_secret_a_table_and_a_queue_that_are_not_there_are_named_with_their_mend() {
        let emulator = Emulator::start(false).await;
        let clients = Clients::for_tests(&emulator.endpoint());
        let make = async |service: &str, target: &str, body: Value| {
            let (status, answer) = clients.signer.ask(service, target, &body).await.unwrap();
            assert_eq!(status, 200, "{answer:?}");
        };
        let secret = json!({ "Name": "/x/there", "Value": "x", "Type": "SecureString" });
        make("ssm", "AmazonSSM.PutParameter", secret).await;
        make(
            "dynamodb",
            "DynamoDB_20120810.CreateTable",
            json!({ "TableName": "there", "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
                    "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }] }),
        )
        .await;
        make("sqs", "AmazonSQS.CreateQueue", json!({ "QueueName": "there" })).await;
        let queue = |name: &str| format!("{}/000000000000/{name}", emulator.endpoint());
        let function = |place: &str| -> Deployed {
            let variables = json!({
                "SWITCHBOARD_PARAMETERS": format!("SWITCHBOARD_TOKEN=/x/{place}"),
                "SWITCHBOARD_TABLE": place,
                "SWITCHBOARD_DEAD_LETTERS": queue(place),
            });
            let listed = json!({ "FunctionName": "hub-sms-out", "Handler": "sms.out",
                                 "Environment": { "Variables": variables } });
            serde_json::from_value(listed).unwrap()
        };
        let findings = Box::pin(examine(&clients, &[function("there"), function("gone")])).await;
        let about = |about: &str| {
            let found = findings.iter().find(|finding| finding.about == about);
            found.unwrap_or_else(|| panic!("{about}: {findings:#?}")).wrong.clone().unwrap_or_default()
        };
        for there in ["parameter /x/there", "table there", "dead letters in there"] {
            assert_eq!(about(there), "", "{there}");
        }
        for (gone, words) in [
            ("function hub-sms-out", "it is not there any more — to mend it: make deploy"),
            (
                "parameter /x/gone",
                "there is no parameter /x/gone — to mend it: aws ssm put-parameter --type SecureString --name /x/gone",
            ),
            ("table gone", "it cannot be found — to mend it: make deploy"),
            ("dead letters in gone", "the queue cannot be found — to mend it: make deploy"),
        ] {
            let wrong = about(gone);
            assert!(wrong.contains(words), "{gone}: {wrong}");
        }
        emulator.stop().await;
    }
}
