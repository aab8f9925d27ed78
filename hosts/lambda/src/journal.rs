//! The journal: every event, found by its id, by its time, and by each word that it is known by (a message's id, a
//! provider's id, an address). EventBridge's archive can only replay; `trace`, `export` and `erase` read this.
//!
//! ```text
//!   e#<event id>   e                     the envelope, whole
//!   h#<hour>       <time>#<event id>     what happened when
//!   w#<word>       <time>#<event id>     what is known by a word
//! ```
//!
//! How long, `[archive] keep_days` says, as on one machine.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use switchboard_core::{Event, Failure};

use crate::queue::{Letter, Ours, Queue, Reminder};
use crate::store::{Row, key, put_all, text, there, ttl};

/// The journal's table, and where what is no event goes.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    client: Client,
    table: String,
    dead_letters: Queue,
    /// How long after it happened an event is kept; `None` is for ever.
    keep: Option<Duration>,
}

impl Journal {
    /// The journal in this table.
    pub(crate) fn new(client: Client, table: &str, dead_letters: Queue, keep: Option<Duration>) -> Self {
        Self { client, table: table.to_owned(), dead_letters, keep }
    }

    /// Looks whether the table is there, by the one kind of request that the journal may make: removing a row that
    /// nobody wrote.
    ///
    /// # Errors
    /// That it is not, or may not be written, with the mend.
    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        let delete = DeleteRequest::builder().set_key(Some(key("look", "look"))).build()?;
        let write = WriteRequest::builder().delete_request(delete).build();
        let asked = self.client.batch_write_item().request_items(&self.table, vec![write]);
        there(&self.table, asked.send().await.map(|_| ()))
    }

    /// Takes a message of the queue: an event, or a dead letter that somebody put back. What is no event is a dead
    /// letter that says so.
    ///
    /// # Errors
    /// [`Failure::Retry`] when it is not written.
    pub(crate) async fn hear(&self, message: &str) -> Result<(), Failure> {
        let again = put_back(message);
        let envelope = again.as_deref().unwrap_or(message);
        match self.keep(envelope).await {
            Err(Failure::Bug { reason } | Failure::Refuse { reason, .. }) => {
                let again = if again.is_some() { "put back, and still " } else { "" };
                let reason = format!("{again}{reason}");
                self.dead_letters.bury(Letter::about("journal", envelope, reason)).await
            }
            kept => kept,
        }
    }

    /// Keeps an event. The same one again replaces it with the same.
    async fn keep(&self, envelope: &str) -> Result<(), Failure> {
        let event = Event::decode(envelope.as_bytes())?;
        put_all(&self.client, &self.table, rows(&event, envelope, self.keep)).await
    }
}

/// What a dead letter is about, where this is one.
fn put_back(message: &str) -> Option<String> {
    match serde_json::from_str::<Ours>(message).ok()?.switchboard {
        Reminder::DeadLetter(letter) => letter.message,
        _ => None,
    }
}

/// The rows of one event. DynamoDB removes them when its time is over.
pub(crate) fn rows(event: &Event, envelope: &str, keep: Option<Duration>) -> Vec<Row> {
    let id = event.id.as_str();
    let time = event.time.to_string();
    let place = format!("{time}#{id}");
    let mut whole = key(&format!("e#{id}"), "e");
    whole.insert("event".to_owned(), text(envelope));
    let hour: String = time.chars().take("2026-11-22T08".len()).collect();
    let mut rows = vec![whole, key(&format!("h#{hour}"), &place)];
    let mut words: Vec<&str> = event.words();
    words.retain(|word| *word != id && !word.is_empty());
    words.sort_unstable();
    words.dedup();
    rows.extend(words.into_iter().map(|word| key(&format!("w#{word}"), &place)));
    if let Some(keep) = keep {
        rows.iter_mut().for_each(|row| drop(row.insert("ttl_s".to_owned(), ttl(event.time.plus(keep)))));
    }
    rows
}

#[cfg(test)]
mod tests {
    use switchboard_stories::aws::Emulator;

    use super::*;
    use crate::Clients;
    use crate::store::read_number;

    /// An event as EventBridge hands it out.
    fn envelope() -> String {
        let event = serde_json::json!({
            "version": "0", "id": "0c6f0b3e-7d0a-4c35-8d2e-3b1f0f5d1c11", "detail-type": "SubscriberChanged",
            "source": "switchboard.sms", "account": "1", "time": "2026-11-22T08:00:00Z", "region": "us-east-1",
            "resources": [],
            "detail": { "event_id": "ev_00000000000000000000000000000001", "phone": "+14155550100", "change": "joined" }
        });
        event.to_string()
    }

    #[test]
    fn every_row_of_an_event_goes_when_its_time_is_over_and_stays_where_it_is_for_ever() {
        let envelope = envelope();
        let event = Event::decode(envelope.as_bytes()).unwrap();
        let day = Duration::from_secs(86_400);
        let rows_of = |keep| rows(&event, &envelope, keep);
        assert!(rows_of(None).len() > 1 && rows_of(None).iter().all(|row| !row.contains_key("ttl_s")));
        for row in rows_of(Some(3 * day)) {
            assert_eq!(read_number(&row, "ttl_s"), Some(event.time.secs() + 3 * 86_400 + 1));
        }
    }

    #[tokio::test]
    async fn what_is_no_event_is_a_dead_letter_with_its_reason_and_comes_back_as_one() {
        let emulator = Emulator::start(false).await;
        let clients = Clients::for_tests(&emulator.endpoint());
        let ask = async |target: &str, body: serde_json::Value| -> serde_json::Value {
            let (status, answer) = clients.signer.ask("sqs", target, &body).await.unwrap();
            assert_eq!(status, 200, "{answer:?}");
            serde_json::from_slice(&answer).unwrap_or_default()
        };
        let made = ask("AmazonSQS.CreateQueue", serde_json::json!({ "QueueName": "letters" })).await;
        let url = made["QueueUrl"].as_str().unwrap();
        let queue = Queue::new(clients.signer.clone(), url);
        let journal = Journal::new(clients.tables.clone(), "journal", queue, None);
        let mut message = "poison".to_owned();
        for expected in ["", "put back, and still "] {
            journal.hear(&message).await.unwrap();
            let got = ask("AmazonSQS.ReceiveMessage", serde_json::json!({ "QueueUrl": url })).await;
            message = got["Messages"][0]["Body"].as_str().unwrap().to_owned();
            let letter: serde_json::Value = serde_json::from_str(&message).unwrap();
            let letter = &letter["switchboard"]["dead-letter"];
            assert_eq!((&letter["listener"], &letter["message"]), (&"journal".into(), &"poison".into()));
            let reason = letter["reason"].as_str().unwrap();
            assert!(reason.starts_with(expected) && reason.len() > expected.len(), "{reason}");
            assert!(!reason.contains("still put back"), "{reason}");
        }
        emulator.stop().await;
    }
}
