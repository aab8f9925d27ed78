//! Status callbacks: in which order, how often, with what, and where to.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{HUB_NUMBER, PHONE, PUBLIC, Reply, Town};

const STATUS: &str = "/twilio/status";

async fn text(town: &Town) -> Value {
    let callback = format!("{PUBLIC}{STATUS}?delivery=d1&x=a%20b");
    let fields = [("To", PHONE), ("From", HUB_NUMBER), ("Body", "x"), ("StatusCallback", &callback)];
    let (status, message) = town.send_text(&fields).await;
    assert_eq!(status, 201, "{message}");
    message
}

async fn statuses(town: &Town, count: usize) -> Vec<String> {
    let received = town.hub_receives(STATUS, count).await;
    received.iter().map(|callback| callback.form()["MessageStatus"].clone()).collect()
}

#[tokio::test]
async fn sent_and_delivered_are_told_in_order_and_the_first_status_is_not() {
    let town = Town::new().await;
    let message = text(&town).await;
    let received = town.hub_receives(STATUS, 2).await;
    for (callback, status) in received.iter().zip(["sent", "delivered"]) {
        let form = callback.form();
        assert_eq!((form["MessageStatus"].as_str(), form["SmsStatus"].as_str()), (status, status));
        assert_eq!(form["MessageSid"], message["sid"].as_str().unwrap());
        assert_eq!((form["To"].as_str(), form["From"].as_str()), (PHONE, HUB_NUMBER));
        assert_eq!(form["AccountSid"], town.settings.twilio.account_sid);
        assert_eq!(callback.query, "delivery=d1&x=a%20b");
        assert_eq!(callback.header("user-agent"), Some("TwilioProxy/1.1"));
        assert!(callback.header("i-twilio-idempotency-token").is_some());
        assert_eq!(form.contains_key("RawDlrDoneDate"), status == "delivered");
        assert!(!form.contains_key("ErrorCode"));
    }
    assert_eq!(town.look("/calls/count?method=messages.create&key=d1").await["effects"], 1);
}

#[tokio::test]
async fn a_messaging_service_accepts_first() {
    let town = Town::new().await;
    let service = town.settings.twilio.messaging_service_sid.clone().unwrap();
    let callback = format!("{PUBLIC}{STATUS}");
    let fields =
        [("To", PHONE), ("MessagingServiceSid", &service), ("Body", "x"), ("StatusCallback", &callback)];
    let (_, message) = town.send_text(&fields).await;
    assert_eq!(
        (&message["status"], &message["messaging_service_sid"]),
        (&json!("accepted"), &json!(service))
    );
    assert_eq!(statuses(&town, 3).await, ["queued", "sent", "delivered"]);
}

#[tokio::test]
async fn a_carrier_can_refuse_with_a_code() {
    let town = Town::new().await;
    town.tell(
        "/twilio/carrier",
        json!({ "to": PHONE, "statuses": ["sent", "undelivered"], "error_code": 30007 }),
    )
    .await;
    let message = text(&town).await;
    let received = town.hub_receives(STATUS, 2).await;
    assert_eq!(received[1].form()["ErrorCode"], "30007");
    assert_eq!(received[1].form()["ErrorMessage"], "Message filtered");
    let (_, fetched) = town.get_twilio(&format!("/Messages/{}.json", message["sid"].as_str().unwrap())).await;
    assert_eq!((&fetched["status"], &fetched["error_code"]), (&json!("undelivered"), &json!(30007)));
}

#[tokio::test]
async fn callbacks_can_come_backwards_twice_or_not_at_all() {
    let town = Town::new().await;
    town.tell("/twilio/carrier", json!({ "order": "reversed", "copies": 2 })).await;
    text(&town).await;
    assert_eq!(statuses(&town, 4).await, ["delivered", "delivered", "sent", "sent"]);
    town.tell("/twilio/carrier", json!({ "callbacks": false })).await;
    text(&town).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(statuses(&town, 4).await.len(), 4);
    let phone = town.look(&format!("/phone/{PHONE}")).await;
    assert_eq!(phone["received"][1]["status"], "delivered");
    for wrong in [json!({ "statuses": ["gone"] }), json!({ "copies": 0 }), json!({ "stauses": [] })] {
        assert_eq!(town.try_tell("/twilio/carrier", wrong).await.0, 400);
    }
}

#[tokio::test]
async fn a_callback_that_fails_is_not_repeated() {
    let town = Town::new().await;
    town.hub_answers(Reply::status(500));
    text(&town).await;
    assert_eq!(statuses(&town, 2).await, ["sent", "delivered"]);
    let webhooks = town.look("/webhooks?kind=webhook.status").await;
    assert_eq!(
        (&webhooks["webhooks"][0]["status"], &webhooks["webhooks"][1]["status"]),
        (&json!(500), &json!(200))
    );
    assert!(webhooks["webhooks"][0]["ms"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn media_is_asked_for_and_what_fails_fails_the_message() {
    let town = Town::new().await;
    town.hub.media.lock().unwrap().insert("/media/cat".into(), ("image/png", 2_000));
    town.hub.media.lock().unwrap().insert("/media/huge".into(), ("image/png", 6_000_000));
    let send = async |path: &str| {
        let (url, callback) = (format!("{PUBLIC}{path}"), format!("{PUBLIC}{STATUS}"));
        town.send_text(&[
            ("To", PHONE),
            ("From", HUB_NUMBER),
            ("MediaUrl", &url),
            ("StatusCallback", &callback),
        ])
        .await
        .1
    };
    let sent = send("/media/cat").await;
    assert!(sent["sid"].as_str().unwrap().starts_with("MM"));
    assert_eq!(sent["num_media"], "1");
    assert_eq!(statuses(&town, 2).await, ["sent", "delivered"]);
    let asked: Vec<_> =
        town.hub.asked_for_media.lock().unwrap().iter().map(|(method, _)| method.clone()).collect();
    assert_eq!(asked, ["HEAD", "GET"]);
    send("/media/none").await;
    send("/media/huge").await;
    let received = town.hub_receives(STATUS, 4).await;
    let mut codes: Vec<_> =
        received[2..].iter().map(|callback| callback.form()["ErrorCode"].clone()).collect();
    codes.sort();
    assert_eq!(codes, ["11200", "11751"]);
    let phone = town.look(&format!("/phone/{PHONE}")).await;
    let cat = &phone["received"][0]["media"][0];
    assert_eq!(
        (&cat["content_type"], &cat["bytes"], &cat["failure"]),
        (&json!("image/png"), &json!(2_000), &Value::Null)
    );
    assert_eq!(phone["received"][1]["status"], "failed");
    assert!(phone["received"][1]["media"][0]["failure"].as_str().unwrap().contains("404"));
}
