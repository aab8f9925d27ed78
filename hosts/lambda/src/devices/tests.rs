//! The contract, against AWS IoT as an emulator that isn't ours plays it, where a topic rule puts all that is published
//! into a queue.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use switchboard_core::contract::{DevicesUnderTest, Trouble, devices_keep_their_contract};
use switchboard_core::{DeviceMessage, DeviceTopic, Devices, Failure};
use switchboard_stories::PATIENCE;
use switchboard_stories::aws::Emulator;
use tokio::sync::Mutex;

use super::{Broker, ENCODED};
use crate::Clients;
use crate::trouble::Troubled;

/// What `describe-endpoint` prints.
const HOST: &str = "a1b2c3d4e5f6g7-ats.iot.us-east-1.amazonaws.com";

/// A queue into which a rule puts all, and what came.
struct Ruled {
    clients: Clients,
    port: Broker,
    queue: String,
    came: Mutex<Vec<(String, Vec<u8>)>>,
}

fn broker(clients: &Clients) -> Broker {
    Broker::new(clients.signer.clone(), Some(HOST)).unwrap()
}

impl Ruled {
    async fn at(clients: &Clients) -> Self {
        let queue = ask(clients, "CreateQueue", json!({ "QueueName": "published" })).await;
        let queue = queue["QueueUrl"].as_str().unwrap().to_owned();
        let rule = json!({
            "sql": "SELECT encode(*, 'base64') AS payload, topic() AS topic FROM '#'",
            "awsIotSqlVersion": "2016-03-23",
            "actions": [{ "sqs": { "roleArn": "arn:aws:iam::000000000000:role/rule", "queueUrl": queue } }],
        });
        let request = http::Request::post(format!("{}/rules/published", clients.signer.endpoint("iot")))
            .header("Content-Type", "application/json")
            .body(rule.to_string().into());
        let answer = clients.signer.send_once("iot", request.unwrap()).await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        Self { clients: clients.clone(), port: broker(clients), queue, came: Mutex::default() }
    }
}

/// What SQS answers.
async fn ask(clients: &Clients, what: &str, body: Value) -> Value {
    let (status, answer) = clients.signer.ask("sqs", &format!("AmazonSQS.{what}"), &body).await.unwrap();
    assert_eq!(status, 200, "{answer:?}");
    serde_json::from_slice(&answer).unwrap_or_default()
}

#[async_trait]
impl DevicesUnderTest for Ruled {
    fn devices(&self) -> &dyn Devices {
        &self.port
    }
    async fn received(&self, count: usize) -> Vec<(String, Vec<u8>)> {
        let (mut came, began) = (self.came.lock().await, Instant::now());
        loop {
            // Once there are enough, one more look at what may have come besides.
            let before = came.len();
            let wait = if before < count { 1 } else { 0 };
            let asked = json!({ "QueueUrl": self.queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait });
            let answer = ask(&self.clients, "ReceiveMessage", asked).await;
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            for message in &messages {
                let seen: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
                let payload = STANDARD.decode(seen["payload"].as_str().unwrap_or_default()).unwrap();
                came.push((seen["topic"].as_str().unwrap().to_owned(), payload));
                let done = json!({ "QueueUrl": self.queue, "ReceiptHandle": message["ReceiptHandle"] });
                ask(&self.clients, "DeleteMessage", done).await;
            }
            assert!(began.elapsed() < PATIENCE, "{before} of {count} came");
            if before >= count && messages.is_empty() {
                return came.clone();
            }
        }
    }
    async fn kept(&self, topic: &DeviceTopic) -> Option<Vec<u8>> {
        let topic = percent_encoding::utf8_percent_encode(topic.as_str(), ENCODED);
        let place = format!("{}/retainedMessage/{topic}", self.clients.signer.endpoint("iotdata"));
        let request = http::Request::get(place).body(bytes::Bytes::new()).unwrap();
        let answer = self.clients.signer.send_once("iotdata", request).await.unwrap();
        if answer.status() == StatusCode::NOT_FOUND {
            return None;
        }
        let seen: Value = serde_json::from_slice(answer.body()).unwrap();
        Some(STANDARD.decode(seen["payload"].as_str().unwrap()).unwrap())
    }
    async fn in_trouble(&self, trouble: Trouble) -> Option<Arc<dyn Devices>> {
        Some(Arc::new(broker(&troubled(trouble).await.clients)))
    }
}

async fn troubled(trouble: Trouble) -> Troubled {
    Troubled::by(trouble, |status, code| {
        let named = [("x-amzn-errortype", format!("{code}Exception:http://internal.amazon.com/"))];
        (StatusCode::from_u16(status).unwrap(), named, "{\"message\":\"x\"}")
    })
    .await
}

fn message() -> DeviceMessage {
    DeviceMessage::new("buttons/hall".parse().unwrap(), "acknowledged").unwrap()
}

#[tokio::test]
async fn devices_by_aws_iot_keep_the_contract() {
    let emulator = Emulator::start(false).await;
    let clients = Clients::for_tests(&emulator.endpoint());
    devices_keep_their_contract(&Ruled::at(&clients).await).await;
    emulator.stop().await;
}

#[tokio::test]
async fn what_a_device_is_told_is_sent_once_whatever_comes_of_it() {
    for trouble in [Trouble::NoAnswer, Trouble::TooMuch, Trouble::Credentials] {
        let troubled = troubled(trouble).await;
        let failure = broker(&troubled.clients).publish(&message()).await.unwrap_err();
        assert_eq!(troubled.asked(), 1, "{trouble:?}: {failure}");
    }
}

#[tokio::test]
async fn a_function_that_knows_no_broker_says_how_it_gets_one() {
    let clients = Clients::for_tests("http://127.0.0.1:9");
    let nowhere = Broker::new(clients.signer.clone(), None).unwrap();
    let refused = nowhere.publish(&message()).await.unwrap_err();
    assert!(matches!(refused, Failure::Refuse { status: 501, .. }), "{refused:?}");
    let words = refused.to_string();
    assert!(words.contains("SWITCHBOARD_DEVICES is not set — to mend it:"), "{words}");

    for wrong in ["https://a1-ats.iot.us-east-1.amazonaws.com", "a1 b2", "host/path", "user@host"] {
        let error = Broker::new(clients.signer.clone(), Some(wrong)).unwrap_err().to_string();
        assert!(error.contains("write the name alone"), "{error}");
    }
    assert_eq!(
        broker(&clients).place.as_deref(),
        Some("http://127.0.0.1:9"),
        "an emulator is everything at once"
    );
}
