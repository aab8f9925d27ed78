//! Whether the listeners of a stack listen: each queue's mapping to its function, switched off and on.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html>

use anyhow::{Context, Result, bail};
use aws_sdk_sqs::types::QueueAttributeName;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::Places;
use crate::Clients;
use crate::stack::Deployed;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mappings {
    #[serde(default)]
    event_source_mappings: Vec<Mapping>,
}

/// A queue that a function listens to.
#[derive(Deserialize)]
pub(crate) struct Mapping {
    #[serde(rename = "UUID")]
    uuid: String,
    #[serde(rename = "State")]
    state: String,
    #[serde(rename = "EventSourceArn", default)]
    source: String,
}

impl Mapping {
    /// Somebody has switched it off.
    pub(crate) fn is_paused(&self) -> bool {
        matches!(self.state.as_str(), "Disabled" | "Disabling")
    }
}

/// Has every listener stop listening. What comes for them waits in their queues.
///
/// # Errors
/// When AWS refuses.
pub async fn pause(clients: &Clients, functions: &[Deployed]) -> Result<String> {
    let count = switch(clients, functions, false).await?;
    Ok(format!("{count} listeners are being paused; their queues keep what comes for 14 days"))
}

/// Has every listener listen again.
///
/// # Errors
/// When AWS refuses.
pub async fn resume(clients: &Clients, functions: &[Deployed]) -> Result<String> {
    let count = switch(clients, functions, true).await?;
    Ok(format!("{count} listeners listen again"))
}

async fn switch(clients: &Clients, functions: &[Deployed], on: bool) -> Result<usize> {
    let mut count = 0;
    for function in functions {
        for mapping in mappings(clients, function).await? {
            let path = format!("/2015-03-31/event-source-mappings/{}", mapping.uuid);
            let address = format!("{}{path}", clients.signer.endpoint("lambda"));
            let request = http::Request::put(address)
                .header("Content-Type", "application/json")
                .body(Bytes::from(json!({ "Enabled": on }).to_string()))?;
            let answer = clients.signer.send("lambda", request).await?;
            if !answer.status().is_success() {
                bail!(
                    "AWS does not switch {}: {} {}",
                    function.function_name,
                    answer.status(),
                    String::from_utf8_lossy(answer.body())
                );
            }
            count += 1;
        }
    }
    Ok(count)
}

/// The queues of a function.
///
/// # Errors
/// When AWS does not list them.
pub(crate) async fn mappings(clients: &Clients, function: &Deployed) -> Result<Vec<Mapping>> {
    let address = format!(
        "{}/2015-03-31/event-source-mappings/?FunctionName={}",
        clients.signer.endpoint("lambda"),
        function.function_name
    );
    let answer = clients.signer.send("lambda", http::Request::get(address).body(Bytes::new())?).await?;
    if !answer.status().is_success() {
        bail!("AWS does not list the queues of {}: {}", function.function_name, answer.status());
    }
    let found: Mappings = serde_json::from_slice(answer.body()).context("Lambda's list of mappings")?;
    Ok(found.event_source_mappings)
}

/// Refuses a stack that is at work.
///
/// # Errors
/// Names what is not at rest, and the mend.
pub(super) async fn at_rest(places: &Places<'_>) -> Result<()> {
    for function in places.functions {
        for mapping in mappings(places.clients, function).await? {
            if mapping.state != "Disabled" {
                bail!(
                    "{} listens ({}) — to mend it: switchboard-aws pause, and a minute later once more",
                    function.function_name,
                    mapping.state
                );
            }
            let queue = mapping.source.rsplit(':').next().unwrap_or_default();
            let waiting = waiting(places.clients, queue).await?;
            if waiting > 0 {
                bail!(
                    "{waiting} messages wait in {queue} — to mend it: let the providers send nowhere, \
                     switchboard-aws resume until the queues are empty, then pause again"
                );
            }
        }
    }
    Ok(())
}

/// The queues of dead letters that have some, each with how many.
///
/// # Errors
/// When one does not answer.
pub(super) async fn letters(places: &Places<'_>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for url in places.functions.iter().filter_map(|function| function.value("SWITCHBOARD_DEAD_LETTERS")) {
        let queue = url.rsplit('/').next().unwrap_or(url);
        let waiting = waiting(places.clients, queue).await?;
        if waiting > 0 {
            found.push(format!("{waiting} in {queue}"));
        }
    }
    Ok(found)
}

/// Messages that could be taken or are being handled. Those that are delayed are reminders.
async fn waiting(clients: &Clients, queue: &str) -> Result<u64> {
    use QueueAttributeName::{ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible};
    let queues = aws_sdk_sqs::Client::new(&clients.config);
    let url = queues.get_queue_url().queue_name(queue).send().await;
    let url = url.ok().and_then(|found| found.queue_url).with_context(|| format!("no queue {queue}"))?;
    let asked = queues.get_queue_attributes().queue_url(url);
    let asked = asked.attribute_names(ApproximateNumberOfMessages);
    let answer = asked.attribute_names(ApproximateNumberOfMessagesNotVisible).send().await;
    let answer = answer.ok().with_context(|| format!("the queue {queue} does not answer"))?;
    let counts = answer.attributes.unwrap_or_default();
    Ok(counts.values().filter_map(|count| count.parse::<u64>().ok()).sum())
}
