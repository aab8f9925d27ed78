//! The contract, against SNS as an emulator that isn't ours plays it, whose topics have queues that subscribe.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use http::StatusCode;
use serde_json::{Value, json};
use switchboard_core::contract::{NoticesUnderTest, Trouble, notices_keep_their_contract};
use switchboard_core::{Failure, Notice, NoticeTopic, Notices};
use switchboard_stories::PATIENCE;
use switchboard_stories::aws::Emulator;
use tokio::sync::Mutex;

use super::Topics;
use crate::Clients;
use crate::trouble::Troubled;

/// Two topics with a queue each, and what came into it.
struct Subscribed {
    clients: Clients,
    port: Topics,
    topics: [(NoticeTopic, String); 2],
    came: Mutex<Vec<(NoticeTopic, String, String)>>,
}

impl Subscribed {
    async fn at(clients: &Clients) -> Self {
        let mut topics = Vec::new();
        for name in ["alarms", "others"] {
            let made = clients.topics.create_topic().name(name).send().await.unwrap();
            let topic: NoticeTopic = made.topic_arn().unwrap().parse().unwrap();
            let queue = ask(clients, "CreateQueue", json!({ "QueueName": name })).await;
            let url = queue["QueueUrl"].as_str().unwrap().to_owned();
            let about = json!({ "QueueUrl": url, "AttributeNames": ["QueueArn"] });
            let about = ask(clients, "GetQueueAttributes", about).await;
            let subscribe = clients.topics.subscribe().topic_arn(topic.as_str()).protocol("sqs");
            subscribe.endpoint(about["Attributes"]["QueueArn"].as_str().unwrap()).send().await.unwrap();
            topics.push((topic, url));
        }
        let topics = topics.try_into().unwrap();
        Self { clients: clients.clone(), port: Topics::new(clients), topics, came: Mutex::default() }
    }
}

/// What SQS answers.
async fn ask(clients: &Clients, what: &str, body: Value) -> Value {
    let (status, answer) = clients.signer.ask("sqs", &format!("AmazonSQS.{what}"), &body).await.unwrap();
    assert_eq!(status, 200, "{answer:?}");
    serde_json::from_slice(&answer).unwrap_or_default()
}

#[async_trait]
impl NoticesUnderTest for Subscribed {
    fn notices(&self) -> &dyn Notices {
        &self.port
    }
    fn topics(&self) -> [NoticeTopic; 2] {
        self.topics.each_ref().map(|(topic, _)| topic.clone())
    }
    async fn received(&self, topic: &NoticeTopic, count: usize) -> Vec<(String, String)> {
        let (mut came, began) = (self.came.lock().await, Instant::now());
        let url = &self.topics.iter().find(|(known, _)| known == topic).unwrap().1;
        loop {
            let before = came.iter().filter(|(to, ..)| to == topic).count();
            // Once there are enough, one more look at what may have come besides.
            let wait = if before < count { 1 } else { 0 };
            let asked = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait });
            let answer = ask(&self.clients, "ReceiveMessage", asked).await;
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            for message in &messages {
                let envelope: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
                let text = |name: &str| envelope[name].as_str().unwrap_or_default().to_owned();
                assert_eq!(text("TopicArn"), topic.as_str());
                came.push((topic.clone(), text("Subject"), text("Message")));
                let done = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
                ask(&self.clients, "DeleteMessage", done).await;
            }
            assert!(began.elapsed() < PATIENCE, "{before} of {count} came");
            if before >= count && messages.is_empty() {
                let of = came.iter().filter(|(to, ..)| to == topic);
                return of.map(|(_, subject, message)| (subject.clone(), message.clone())).collect();
            }
        }
    }
    async fn in_trouble(&self, trouble: Trouble) -> Option<Arc<dyn Notices>> {
        Some(Arc::new(Topics::new(&troubled(trouble).await.clients)))
    }
}

async fn troubled(trouble: Trouble) -> Troubled {
    Troubled::by(trouble, |status, code| {
        let body = format!(
            "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>x</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        );
        (StatusCode::from_u16(status).unwrap(), [("content-type", "text/xml")], body)
    })
    .await
}

fn notice() -> Notice {
    Notice::new("Alarm", "in the hall").unwrap()
}

#[tokio::test]
async fn notices_by_sns_keep_the_contract_and_no_topic_is_told_from_no_answer() {
    let emulator = Emulator::start(false).await;
    let clients = Clients::for_tests(&emulator.endpoint());
    let under_test = Subscribed::at(&clients).await;
    notices_keep_their_contract(&under_test).await;

    let [there, _] = under_test.topics();
    let gone: NoticeTopic = there.as_str().replace("alarms", "gone").parse().unwrap();
    let refused = under_test.port.publish(&gone, &notice()).await.unwrap_err();
    assert!(matches!(refused, Failure::Refuse { status: 404, .. }), "{refused:?}");
    assert!(refused.to_string().contains("gone — to mend it: make the topic"), "{refused}");
    emulator.stop().await;
}

#[tokio::test]
async fn a_notice_is_sent_once_whatever_comes_of_it() {
    let topic: NoticeTopic = "arn:aws:sns:us-east-1:123456789012:alarms".parse().unwrap();
    for trouble in [Trouble::NoAnswer, Trouble::TooMuch, Trouble::Credentials] {
        let troubled = troubled(trouble).await;
        let failure = Topics::new(&troubled.clients).publish(&topic, &notice()).await.unwrap_err();
        assert_eq!(troubled.asked(), 1, "{trouble:?}: {failure}");
    }
}
