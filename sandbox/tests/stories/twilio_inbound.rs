//! Phones that text the hub, refuse it, and send pictures.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{HUB_NUMBER, PHONE, PUBLIC, Reply, Town};

const DOOR: &str = "/twilio/messages";

async fn say(town: &Town, body: &str) -> Value {
    town.tell(&format!("/phone/{PHONE}/text"), json!({ "body": body })).await
}

#[tokio::test]
async fn a_text_comes_as_a_signed_form_with_every_field() {
    let town = Town::new().await;
    let told = say(&town, "Ärger & more").await;
    assert_eq!(told["webhook"]["status"], 200);
    let received = &town.hub_receives(DOOR, 1).await[0];
    let form = received.form();
    let sample = include_str!("../../../fixtures/twilio/inbound-text.form");
    for (name, _) in form_urlencoded::parse(sample.trim().as_bytes()) {
        assert!(form.contains_key(&*name), "{name} is missing");
    }
    assert_eq!(
        (form["Body"].as_str(), form["From"].as_str(), form["To"].as_str()),
        ("Ärger & more", PHONE, HUB_NUMBER)
    );
    assert_eq!(form["MessageSid"], told["sid"].as_str().unwrap());
    assert_eq!((form["SmsStatus"].as_str(), form["NumMedia"].as_str()), ("received", "0"));
    assert!(received.header("content-type").unwrap().starts_with("application/x-www-form-urlencoded"));
    assert_eq!(received.header("user-agent"), Some("TwilioProxy/1.1"));
}

#[tokio::test]
async fn the_same_webhook_can_come_many_times_at_once() {
    let town = Town::new().await;
    let order = json!({ "body": "once", "copies": 8, "extra": { "Surprise": "new parameter" } });
    let told = town.tell(&format!("/phone/{PHONE}/text"), order).await;
    assert_eq!(told["webhooks"].as_array().unwrap().len(), 8);
    let received = town.hub_receives(DOOR, 8).await;
    assert!(received.iter().all(|copy| copy.form()["MessageSid"] == told["sid"].as_str().unwrap()));
    assert_eq!(received[0].form()["Surprise"], "new parameter");
    assert_eq!(town.look(&format!("/phone/{PHONE}")).await["sent"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn stop_is_answered_by_twilio_and_closes_the_pair_until_start() {
    let town = Town::new().await;
    let told = say(&town, " stop ").await;
    assert!(told["automatic_reply"].as_str().unwrap().contains("unsubscribed"));
    assert_eq!(town.hub_receives(DOOR, 1).await[0].form()["Body"], " stop ");
    let send = async |from: &str| town.send_text(&[("To", PHONE), ("From", from), ("Body", "x")]).await;
    let (status, refused) = send(HUB_NUMBER).await;
    assert_eq!((status, &refused["code"]), (400, &json!(21610)));
    assert_eq!(send("+15550100101").await.0, 201, "another sender is not refused");
    assert_eq!(town.look(&format!("/phone/{PHONE}")).await["opted_out_of"], json!([HUB_NUMBER]));
    assert_eq!(say(&town, "STOP PLEASE").await["automatic_reply"], Value::Null);
    assert!(say(&town, "Start").await["automatic_reply"].is_string());
    assert_eq!(send(HUB_NUMBER).await.0, 201);
    town.tell("/behaviour", json!({ "twilio_advanced_opt_out": true })).await;
    say(&town, "HELP").await;
    assert_eq!(town.hub_receives(DOOR, 4).await[3].form()["OptOutType"], "HELP");
}

#[tokio::test]
async fn a_picture_is_behind_the_credentials_and_then_behind_a_link_that_wants_none() {
    let town = Town::new().await;
    let order = json!({ "media": [{ "content_type": "text/plain", "text": "a file" }, {}] });
    town.tell(&format!("/phone/{PHONE}/text"), order).await;
    let form = town.hub_receives(DOOR, 1).await[0].form();
    assert!(form["MessageSid"].starts_with("MM"));
    assert_eq!((form["NumMedia"].as_str(), form["MediaContentType1"].as_str()), ("2", "image/png"));
    let account = &town.settings.twilio;
    let url = &form["MediaUrl0"];
    assert_eq!(town.http.get(url).send().await.unwrap().status(), 401);
    let led =
        town.http.get(url).basic_auth(&account.account_sid, Some(&account.auth_token)).send().await.unwrap();
    assert_eq!(led.status(), 307);
    let link = led.headers()["location"].to_str().unwrap().to_owned();
    let with = town
        .http
        .get(&link)
        .basic_auth(&account.account_sid, Some(&account.auth_token))
        .send()
        .await
        .unwrap();
    assert_eq!(with.status(), 400, "the storage takes no credentials");
    let without = town.http.get(&link).send().await.unwrap();
    assert_eq!(
        (without.status().as_u16(), without.headers()["content-type"].to_str().unwrap()),
        (200, "text/plain")
    );
    assert_eq!(without.text().await.unwrap(), "a file");
    let forged = link.replace("signature=", "signature=0");
    assert_eq!(town.http.get(&forged).send().await.unwrap().status(), 403);
    let rest = url.split(&account.account_sid).nth(1).unwrap();
    assert_eq!(town.get_twilio(&format!("{rest}.json")).await.1["content_type"], "text/plain");
    let list = rest.rsplit_once('/').unwrap().0;
    assert_eq!(town.get_twilio(&format!("{list}.json")).await.1["media_list"].as_array().unwrap().len(), 2);
    let deleted = town.http.delete(format!("{}.json", town.twilio_url(rest)));
    let deleted = deleted.basic_auth(&account.account_sid, Some(&account.auth_token)).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(town.get_twilio(&format!("{rest}.json")).await.0, 404);
}

#[tokio::test]
async fn an_answer_in_twiml_is_texted_back() {
    let town = Town::new().await;
    let body = "<?xml version=\"1.0\"?><Response><Message>you said &lt;hi&gt;</Message></Response>";
    town.hub_answers(Reply { media_type: "text/xml", body, ..Reply::status(200) });
    assert_eq!(say(&town, "hi").await["replies"], json!(["you said <hi>"]));
    tokio::time::sleep(Duration::from_millis(80)).await;
    let phone = town.look(&format!("/phone/{PHONE}")).await;
    assert_eq!(
        (&phone["received"][0]["text"], &phone["received"][0]["status"]),
        (&json!("you said <hi>"), &json!("delivered"))
    );
}

#[tokio::test]
async fn a_door_that_fails_is_not_asked_again_unless_there_is_a_fallback() {
    let town = Town::new().await;
    town.hub_answers(Reply::status(503));
    assert_eq!(say(&town, "a").await["webhook"]["status"], 503);
    town.hub_receives(DOOR, 1).await;
    town.tell("/behaviour", json!({ "twilio_fallback_path": "/twilio/fallback", "twilio_timeout_ms": 100 }))
        .await;
    town.hub_answers(Reply { after: Duration::from_millis(300), ..Reply::status(200) });
    let told = say(&town, "b").await;
    assert_eq!(told["webhooks"][0]["no_answer"], "timeout");
    assert_eq!(told["webhook"]["status"], 200);
    let fallback = &town.hub_receives("/twilio/fallback", 1).await[0];
    assert_eq!(fallback.form()["ErrorCode"], "11200");
    assert_eq!(fallback.form()["ErrorUrl"], format!("{PUBLIC}{DOOR}"));
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_asked_twice() {
    let town = Town::with(|settings| settings.hub_base = "http://127.0.0.1:9".into()).await;
    let told = say(&town, "anyone?").await;
    assert_eq!(told["webhook"]["no_answer"], "connection_failed");
    assert_eq!(town.look("/webhooks").await["total"], 2);
}

#[tokio::test]
async fn a_wrong_order_is_refused_with_a_sentence() {
    let town = Town::new().await;
    for (path, order, status) in [
        ("/phone/0123/text", json!({ "body": "x" }), 400),
        ("/phone/+15550100177/text", json!({ "body": "x", "to": "+15550100999" }), 400),
        ("/phone/+15550100177/text", json!({ "boddy": "x" }), 400),
        ("/phone/+15550100177/text", json!({ "media": [{ "base64": "?" }] }), 400),
    ] {
        let (given, answer) = town.try_tell(path, order).await;
        assert_eq!(given, status);
        assert!(answer["error"].as_str().unwrap().len() > 10);
    }
    town.hub_receives(DOOR, 0).await;
}
