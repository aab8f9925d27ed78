//! The Messages API: what it takes, refuses, lists and forgets.

use serde_json::{Value, json};

use crate::support::{HUB_NUMBER, PHONE, Town, nothing};

#[tokio::test]
async fn a_text_reaches_the_phone() {
    let town = Town::new().await;
    let (status, message) = town.send_text(&[("To", PHONE), ("From", HUB_NUMBER), ("Body", "hello é")]).await;
    assert_eq!(
        (status, &message["status"], &message["direction"]),
        (201, &json!("queued"), &json!("outbound-api"))
    );
    assert_eq!((&message["num_segments"], &message["num_media"]), (&json!("1"), &json!("0")));
    assert!(
        message["sid"].as_str().unwrap().starts_with("SM") && message["sid"].as_str().unwrap().len() == 34
    );
    assert!(message["date_created"].as_str().unwrap().ends_with("+0000"));
    assert_eq!(message["date_sent"], Value::Null);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let phone = town.look(&format!("/phone/{PHONE}")).await;
    assert_eq!(
        (&phone["received"][0]["text"], &phone["received"][0]["status"]),
        (&json!("hello é"), &json!("delivered"))
    );
    assert_eq!(phone, town.look("/phone/%2B15550100177").await);
    let (status, fetched) =
        town.get_twilio(&format!("/Messages/{}.json", message["sid"].as_str().unwrap())).await;
    assert_eq!((status, &fetched["status"]), (200, &json!("delivered")));
    assert!(fetched["date_sent"].is_string());
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_twilios_code() {
    let town = Town::new().await;
    let long = "a".repeat(1_601);
    let eleven: Vec<(&str, &str)> = (0..11).map(|_| ("MediaUrl", "https://hub.example.com/m")).collect();
    let good = [("To", PHONE), ("From", HUB_NUMBER), ("Body", "x")];
    let check = async |fields: Vec<(&str, &str)>, expected: u64| {
        let (status, answer) = town.send_text(&fields).await;
        assert_eq!((status, &answer["code"]), (400, &json!(expected)), "{fields:?}");
        assert_eq!(answer["more_info"], format!("https://www.twilio.com/docs/errors/{expected}"));
        assert_eq!(answer["status"], 400);
        assert!(answer["message"].is_string());
    };
    let without = |name: &str| good.iter().copied().filter(|(known, _)| *known != name).collect::<Vec<_>>();
    let with = |name: &'static str, value: &'static str| [without(name), vec![(name, value)]].concat();
    check(without("To"), 21604).await;
    check(without("From"), 21603).await;
    check(without("Body"), 21602).await;
    check(with("To", "12345"), 21211).await;
    check(with("To", "+1555010017x"), 21211).await;
    check(with("To", "+15005550009"), 21614).await;
    check(with("From", "nobody"), 21212).await;
    check(with("From", "+15550100999"), 21606).await;
    check(with("To", HUB_NUMBER), 21266).await;
    check([without("Body"), vec![("Body", long.as_str())]].concat(), 21617).await;
    check(with("MediaUrl", "not a url"), 21620).await;
    check([good.to_vec(), eleven].concat(), 21623).await;
    check(with("StatusCallback", "/twilio/status"), 21609).await;
    check(
        [without("From"), vec![("MessagingServiceSid", "MG00000000000000000000000000000000")]].concat(),
        21701,
    )
    .await;
    assert_eq!(town.look(&format!("/phone/{PHONE}")).await["received"], json!([]));
}

#[tokio::test]
async fn without_the_right_credentials_nothing_is_done() {
    let town = Town::new().await;
    let account = town.settings.twilio.account_sid.clone();
    let url = town.twilio_url("/Messages.json");
    for password in [None, Some("wrong")] {
        let mut request = town.http.post(&url).body("To=%2B15550100177&From=%2B15550100100&Body=x");
        if let Some(password) = password {
            request = request.basic_auth(&account, Some(password));
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(answer["code"], 20003);
    }
    let (status, answer) = town.get_twilio("/Messages/SM0.json").await;
    assert_eq!((status, &answer["code"]), (404, &json!(20404)));
}

#[tokio::test]
async fn the_list_is_filtered_and_walked_in_pages() {
    let town = Town::new().await;
    let mut sids = Vec::new();
    for n in 0..5 {
        let (_, message) =
            town.send_text(&[("To", PHONE), ("From", HUB_NUMBER), ("Body", &format!("text {n}"))]).await;
        sids.insert(0, message["sid"].clone());
    }
    town.send_text(&[("To", "+15550100178"), ("From", HUB_NUMBER), ("Body", "other")]).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;

    let mut found = Vec::new();
    let mut next = Some("/Messages.json?To=%2B15550100177&PageSize=2".to_owned());
    let mut pages = 0;
    while let Some(path) = next.take() {
        let (status, page) = town.get_twilio(&path).await;
        assert_eq!((status, &page["page"], &page["page_size"]), (200, &json!(pages), &json!(2)));
        found.extend(page["messages"].as_array().unwrap().iter().map(|message| message["sid"].clone()));
        pages += 1;
        next = page["next_page_uri"].as_str().map(|uri| {
            assert!(uri.starts_with("/2010-04-01/Accounts/"), "{uri}");
            uri[uri.find("/Messages.json").unwrap()..].to_owned()
        });
    }
    assert_eq!((found, pages), (sids, 3));

    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let count = async |query: String| {
        town.get_twilio(&format!("/Messages.json?{query}")).await.1["messages"].as_array().unwrap().len()
    };
    assert_eq!(count(format!("DateSent={today}")).await, 6);
    assert_eq!(count(format!("DateSent%3E={today}")).await, 6);
    assert_eq!(count("DateSent%3C=2020-01-01".into()).await, 0);
    assert_eq!(count("DateSent%3E=2020-01-01T00:00:00Z&From=%2B15550100101".into()).await, 0);
    assert_eq!(town.get_twilio("/Messages.json?DateSent=yesterday").await.0, 400);
}

#[tokio::test]
async fn a_finished_message_can_be_emptied_and_deleted() {
    let town = Town::new().await;
    let (_, message) = town.send_text(&[("To", PHONE), ("From", HUB_NUMBER), ("Body", "secret")]).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let account = &town.settings.twilio;
    let url = town.twilio_url(&format!("/Messages/{}.json", message["sid"].as_str().unwrap()));
    let emptied =
        town.http.post(&url).basic_auth(&account.account_sid, Some(&account.auth_token)).body("Body=");
    let emptied: Value = serde_json::from_str(&emptied.send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(emptied["body"], "");
    for expected in [204, 404] {
        let gone =
            town.http.delete(&url).basic_auth(&account.account_sid, Some(&account.auth_token)).send().await;
        assert_eq!(gone.unwrap().status(), expected);
    }
}

#[tokio::test]
async fn a_senders_queue_takes_one_segment_a_second_and_is_not_endless() {
    let town = Town::new().await;
    town.tell("/limits", json!({ "twilio": { "segments_per_s": 5.0, "queue_s": 0.5 } })).await;
    let text = async || town.send_text(&[("To", PHONE), ("From", HUB_NUMBER), ("Body", "x")]).await;
    let sent = [text().await, text().await, text().await, text().await];
    assert!(sent.iter().take(3).all(|(status, _)| *status == 201));
    assert_eq!((sent[3].0, &sent[3].1["code"]), (400, &json!(21611)));
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    let statuses = async || {
        let phone = town.look(&format!("/phone/{PHONE}")).await;
        phone["received"]
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text["status"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(statuses().await, ["delivered", "queued", "queued"]);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(statuses().await, ["delivered"; 3]);
    town.tell("/limits", json!({ "twilio": "off" })).await;
    assert_eq!(text().await.0, 201);
    town.tell("/reset", nothing()).await;
}
