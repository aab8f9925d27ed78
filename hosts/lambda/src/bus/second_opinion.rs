//! What moto says where the stories' emulator is more lenient than AWS, or may share a mistake with us: what `PutEvents`
//! refuses, and the store's contract.

use switchboard_core::contract::store_keeps_its_contract;
use switchboard_stories::aws::Moto;

use super::*;
use crate::Clients;
use crate::store::tests::store;

#[tokio::test]
#[ignore = "a second opinion, asked for in make soak"]
async fn the_store_in_dynamodb_keeps_the_contract_as_moto_plays_it() {
    let moto = Moto::start().await;
    store_keeps_its_contract(&store(&Clients::for_tests(&moto.endpoint())).await).await;
}

/// moto refuses what the emulator of the stories takes.
#[tokio::test]
#[ignore = "a second opinion, asked for in make soak"]
async fn of_a_request_that_is_refused_in_part_the_rest_is_published_once() {
    let moto = Moto::start().await;
    let clients = Clients::for_tests(&moto.endpoint());
    let (events, queues) = (&clients.events, aws_sdk_sqs::Client::new(&clients.config));
    events.create_event_bus().name("hub").send().await.unwrap();
    let queue = queues.create_queue().queue_name("heard").send().await.unwrap().queue_url.unwrap();
    let all = r#"{"source":[{"prefix":"switchboard."}]}"#;
    events.put_rule().name("all").event_bus_name("hub").event_pattern(all).send().await.unwrap();
    let arn = "arn:aws:sqs:us-east-1:123456789012:heard";
    let target = aws_sdk_eventbridge::types::Target::builder().id("queue").arn(arn).build().unwrap();
    events.put_targets().rule("all").event_bus_name("hub").targets(target).send().await.unwrap();

    let bus = Bus::new(clients.events.clone(), "hub");
    let event = |number: u32| {
        format!(
            r#"{{"source":"switchboard.sms","detail-type":"MessagePosted","time":"2026-11-22T08:00:00.000Z","detail":{{"number":{number}}}}}"#
        )
    };
    let mut entries: Vec<_> = (1..=3).map(|number| bus.entry(&event(number)).unwrap()).collect();
    entries[1].detail = Some("not JSON".to_owned());
    let refused = bus.put(entries, Instant::now()).await.unwrap_err();
    assert!(matches!(&refused, Failure::Retry { .. }), "{refused}");
    assert!(refused.to_string().contains("MalformedDetail"), "{refused}");
    bus.publish(&[event(4)], Instant::now()).await.unwrap();
    let mut heard = Vec::new();
    loop {
        let got = queues.receive_message().queue_url(&queue).max_number_of_messages(10).send().await.unwrap();
        let Some(messages) = got.messages.filter(|messages| !messages.is_empty()) else { break };
        for message in messages {
            let body: serde_json::Value = serde_json::from_str(&message.body.unwrap()).unwrap();
            heard.push(body["detail"]["number"].as_u64().unwrap());
        }
    }
    heard.sort_unstable();
    assert_eq!(heard, [1, 3, 4], "what was taken is not sent again");
}
