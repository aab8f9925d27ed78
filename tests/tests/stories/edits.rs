//! Stories: what was said is changed, withdrawn, taken back or held; and nothing that is said is obeyed.

use serde_json::{Value, json};
use switchboard_stories::{ANN, BOB, CHANNEL, House, LOBBY, deployed, details, sign, until};

async fn edit(house: &House, ts: &str, text: &str) {
    let edited = json!({ "ts": ts, "text": text });
    let told = house.control("POST", &format!("/slack/channels/{CHANNEL}/edit"), edited).await;
    assert_eq!(told["webhook"]["status"], 200);
}

/// An operator's order about a message.
async fn order(house: &House, id: &Value, verb: &str, request: &str) -> u16 {
    let path = format!("/api/messages/{}/{verb}", id.as_str().expect("an id"));
    house.hub.order("POST", &path, json!({ "id": request })).await.0
}

/// The id of the message that was said with these words.
async fn id_of(house: &House, address: &str, text: &str) -> Value {
    let posted = details(&house.hub.trace(address).await, "MessagePosted");
    let found = posted.iter().find(|posted| posted["message"]["text"] == text);
    found.unwrap_or_else(|| panic!("{text:?} is not in {posted:#?}"))["message"]["id"].clone()
}

#[tokio::test]
async fn an_edit_in_slack_is_one_short_correction_and_so_is_a_deletion() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    let ts = house.say(CHANNEL, "U0BOB", "at five").await;
    house.expect_heard(ANN, &["Bob: at five"]).await;
    edit(&house, &ts, "at six").await;
    house.expect_heard(ANN, &["Bob: at five", "Correction, Bob: at six"]).await;

    // The same text again, and a change that is nobody's edit (a link's preview).
    edit(&house, &ts, "at six").await;
    let message = |text: &str| json!({ "type": "message", "user": "U0BOB", "ts": ts, "text": text });
    let event = json!({ "type": "message", "subtype": "message_changed", "hidden": true, "channel": CHANNEL,
        "channel_type": "channel", "ts": "1700000001.000000", "message": message("at six, see"),
        "previous_message": message("at six") });
    let body = json!({ "type": "event_callback", "api_app_id": "A0SANDBOX", "team_id": "T0SANDBOX", "event_id": "Ev1",
        "event_time": 1, "authorizations": [], "event": event });
    let unfurled = sign::slack("/slack/events", "application/json", &body.to_string(), sign::now_s());
    assert_eq!(unfurled.send(&reqwest::Client::new(), &house.hub.base()).await.0, 200);

    house.control("POST", &format!("/slack/channels/{CHANNEL}/delete"), json!({ "ts": ts })).await;
    until("the deletion is known", || async {
        let changes = details(&house.hub.trace(&ts).await, "RoomChanged");
        changes.iter().any(|change| change["change"] == "deleted")
    })
    .await;
    house.expect_heard(ANN, &["Bob: at five", "Correction, Bob: at six", "Bob took back: at six"]).await;
    house.close().await;
}

#[tokio::test]
async fn an_edit_and_a_deletion_that_overtake_their_message_are_kept_for_it() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    let late = json!({ "provider": "slack", "method": "webhook.events", "kind": "out_of_order", "delay_ms": 2500,
                       "times": 1 });
    let newest =
        || async { house.channel(CHANNEL).await.last().map(|it| it["ts"].as_str().unwrap().to_owned()) };

    house.fault(late.clone()).await;
    let said = house.say(CHANNEL, "U0BOB", "frist");
    let edited = async {
        until("it stands in Slack", || async { newest().await.is_some() }).await;
        edit(&house, &newest().await.unwrap(), "first").await;
    };
    let (first, ()) = tokio::join!(said, edited);
    house.expect_heard(ANN, &["Bob: first"]).await;

    house.fault(late).await;
    let said = house.say(CHANNEL, "U0BOB", "never mind");
    let deleted = async {
        until("it stands in Slack", || async { newest().await.is_some_and(|ts| ts != first) }).await;
        let gone = json!({ "ts": newest().await.unwrap() });
        house.control("POST", &format!("/slack/channels/{CHANNEL}/delete"), gone).await;
    };
    tokio::join!(said, deleted);
    house.say(CHANNEL, "U0BOB", "second").await;
    house.expect_heard(ANN, &["Bob: first", "Bob: second"]).await;
    house.hub.quiet().await;
    house.expect_heard(ANN, &["Bob: first", "Bob: second"]).await;
    house.close().await;
}

#[tokio::test]
async fn a_reply_in_slack_belongs_to_the_message_that_it_answers() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    house.text(ANN, "who comes?").await;
    house.expect_shown(CHANNEL, &["Ann (SMS): who comes?"]).await;
    house.hub.quiet().await;
    let question = id_of(&house, ANN, "who comes?").await;
    let ours = house.channel(CHANNEL).await[0]["ts"].clone();
    let said = json!({ "user": "U0BOB", "text": "me", "thread_ts": ours, "broadcast": true });
    house.control("POST", &format!("/slack/channels/{CHANNEL}/say"), said).await;
    house.expect_heard(ANN, &["Bob: me"]).await;
    let head = house.say(CHANNEL, "U0BOB", "who else?").await;
    let said = json!({ "user": "U0ANN", "text": "me too", "thread_ts": head });
    house.control("POST", &format!("/slack/channels/{CHANNEL}/say"), said).await;
    house.expect_heard(ANN, &["Bob: me", "Bob: who else?", "Ann: me too"]).await;
    house.hub.quiet().await;
    let parent = |trace: &[Value], text: &str| {
        let changes = details(trace, "RoomChanged");
        let found = changes.iter().find(|change| change["message"]["text"] == text);
        found.map(|change| change["message"]["thread_parent"].clone())
    };
    assert_eq!(parent(&house.hub.trace("U0BOB").await, "me"), Some(question));
    let second = id_of(&house, "U0BOB", "who else?").await;
    assert_eq!(parent(&house.hub.trace("U0ANN").await, "me too"), Some(second));
    house.close().await;
}

#[tokio::test]
async fn what_is_retracted_disappears_from_slack_with_its_files() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    let sent = json!({ "body": "look", "media": [{ "content_type": "image/png" }] });
    house.control("POST", &format!("/phone/{ANN}/text"), sent).await;
    house.text(ANN, "and listen").await;
    until("both are shown, with the file", || async {
        let shown = house.channel(CHANNEL).await;
        shown.len() == 2 && shown.iter().any(|message| message["replies"][0]["files"][0]["mode"] == "hosted")
    })
    .await;
    house.hub.quiet().await;
    let id = id_of(&house, ANN, "look").await;
    assert_eq!(order(&house, &id, "retract", "1").await, 200);
    assert_eq!(order(&house, &id, "retract", "1").await, 200, "the same request again is one");
    assert_eq!(order(&house, &id, "retract", "2").await, 409, "it is gone already");
    assert_eq!(order(&house, &json!("m_unknown"), "retract", "3").await, 404);
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &["Ann (SMS): and listen"]).await;
    let left: Vec<Value> =
        house.channel(CHANNEL).await.iter().map(|message| message["replies"].clone()).collect();
    assert!(!format!("{left:?}").contains("hosted"), "the file is gone: {left:#?}");
    house.close().await;
}

#[tokio::test]
async fn what_is_retracted_while_slack_and_a_phone_are_away_is_never_shown_there() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    // Where nobody says who has heard what, there is time for everybody to hear it.
    let again_s = if deployed() { 20 } else { 1 };
    for (provider, method) in [("slack", "chat.postMessage"), ("twilio", "messages.create")] {
        let fault = json!({ "provider": provider, "method": method, "kind": "status", "status": 429,
                            "retry_after_s": again_s });
        house.fault(fault).await;
    }
    for text in ["one", "two"] {
        house.text(ANN, text).await;
        until("it is in the room", || async {
            let shown = details(&house.hub.trace(ANN).await, "RoomChanged");
            shown.iter().any(|changed| changed["message"]["text"] == text)
        })
        .await;
    }
    let id = id_of(&house, ANN, "two").await;
    assert_eq!(order(&house, &id, "retract", "1").await, 200);
    // It is heard beside the room's lane, which waits.
    until("both bridges know of it", || async {
        let trace = house.hub.trace(id.as_str().unwrap()).await;
        let retracted = trace.iter().find(|traced| traced["event"]["detail"]["change"] == "retracted");
        let Some(retracted) = retracted else { return false };
        let deliveries = retracted["deliveries"].as_array().cloned().unwrap_or_default();
        let done = |it: &&Value| it["state"] == "done";
        let told = |name: &str| deliveries.iter().filter(done).any(|it| it["listener"] == name);
        deployed() || told("slack.intake") && told("sms.fanout")
    })
    .await;
    house.mend().await;
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &["Ann (SMS): one"]).await;
    house.expect_heard(BOB, &["Ann: one"]).await;
    assert_eq!(house.count("chat.postMessage", id.as_str()).await.0, 0, "it was never posted");
    house.close().await;
}

#[tokio::test]
async fn what_is_retracted_is_not_posted_by_a_later_redrive() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "Ann")]).await;
    let fault = json!({ "provider": "slack", "method": "chat.postMessage", "kind": "error",
                        "error": "not_in_channel", "times": 1 });
    house.fault(fault).await;
    house.text(ANN, "one").await;
    let letters = house.settle().await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    let id = id_of(&house, ANN, "one").await;
    assert_eq!(order(&house, &id, "retract", "1").await, 200);
    house.hub.quiet().await;
    house.hub.redrive(&letters[0]).await;
    house.hub.quiet().await;
    assert_eq!(house.count("chat.postMessage", id.as_str()).await, (0, 1), "tried once, before");
    house.close().await;
}

#[tokio::test]
async fn what_is_held_is_shown_when_it_is_released_and_what_is_blocked_never() {
    let house = House::open(&format!(
        "{LOBBY}[moderation]\nheld_words = [\"grue\"]\nblocked_words = [\"zorkmid\"]\n"
    ))
    .await;
    house.join("lobby", &[(ANN, "Ann"), (BOB, "Bob")]).await;
    for text in ["a grue", "a Z0rkm1d", "a lamp", "another grue"] {
        house.text(ANN, text).await;
        house.in_turn().await;
    }
    house.expect_shown(CHANNEL, &["Ann (SMS): a lamp"]).await;
    let ts = house.say(CHANNEL, "U0BOB", "a sword").await;
    house.expect_heard(BOB, &["Ann: a lamp", "Bob: a sword"]).await;
    edit(&house, &ts, "a zorkmid").await;
    house.hub.quiet().await;
    house.expect_shown(CHANNEL, &["Ann (SMS): a lamp", "Bob: a zorkmid"]).await;
    house.expect_heard(BOB, &["Ann: a lamp", "Bob: a sword"]).await;

    let trace = house.hub.trace(ANN).await;
    let reason = |kind: &str| {
        let judged = details(&trace, kind);
        let reasons: Vec<_> = judged
            .iter()
            .map(|it| (it["message"]["text"].clone(), it["reasons"][0]["found"].clone()))
            .collect();
        reasons
    };
    assert_eq!(
        reason("MessageHeld"),
        [(json!("a grue"), json!("grue")), (json!("another grue"), json!("grue"))]
    );
    // The second is Bob's edit: it belongs to the story of a message that Ann was sent.
    let blocked = [(json!("a Z0rkm1d"), json!("zorkmid")), (json!("a zorkmid"), json!("zorkmid"))];
    assert_eq!(reason("MessageBlocked"), blocked);

    let (first, second) = (id_of(&house, ANN, "a grue").await, id_of(&house, ANN, "another grue").await);
    let blocked = id_of(&house, ANN, "a Z0rkm1d").await;
    assert_eq!(order(&house, &first, "release", "1").await, 200);
    assert_eq!(order(&house, &second, "block", "1").await, 200);
    assert_eq!(order(&house, &second, "release", "2").await, 409);
    assert_eq!(order(&house, &blocked, "release", "1").await, 409);
    house.expect_shown(CHANNEL, &["Ann (SMS): a lamp", "Bob: a zorkmid", "Ann (SMS): a grue"]).await;
    house.expect_heard(BOB, &["Ann: a lamp", "Bob: a sword", "Ann: a grue"]).await;
    house.close().await;
}

#[tokio::test]
async fn nothing_that_is_said_is_obeyed_by_another_surface() {
    let house = House::open(LOBBY).await;
    house.join("lobby", &[(ANN, "<!here>"), (BOB, "Bob")]).await;
    let said = [
        "<!channel> <@U0BOB> <https://evil.example|your bank>",
        "</Message><Message>free</Message> &amp; & \u{202e}",
        "<Response><Message>hi</Message></Response>",
    ];
    for text in said {
        let sent = house.control("POST", &format!("/phone/{ANN}/text"), json!({ "body": text })).await;
        assert_eq!(
            (&sent["webhook"]["status"], &sent["replies"]),
            (&json!(200), &json!([])),
            "no TwiML of theirs"
        );
        house.in_turn().await;
    }
    until("all are shown", || async { house.channel(CHANNEL).await.len() == said.len() }).await;
    for (message, text) in house.channel(CHANNEL).await.iter().zip(said) {
        let raw = message["text"].as_str().unwrap();
        // Slack makes a link of an address by itself, and of nothing else.
        let tokens: Vec<&str> = raw.split('<').skip(1).collect();
        let plain_link =
            |token: &&str| token.starts_with("https://") && !token.split('>').next().unwrap().contains('|');
        assert!(tokens.iter().all(plain_link), "no token of theirs: {raw}");
        assert_eq!(message["shown"], text, "as it was typed");
    }
    let heard: Vec<String> = said.iter().map(|text| format!("<!here>: {text}")).collect();
    let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
    house.expect_heard(BOB, &heard).await;

    // From Slack: tokens are read, what people typed is not.
    house
        .say(
            CHANNEL,
            "U0BOB",
            "<!here> &lt;!here&gt; &amp;amp; <https://example.com|docs> <#C0LOBBY> <@U0NOBODY>",
        )
        .await;
    let last = "Bob: @here <!here> &amp; docs (https://example.com) #lobby @U0NOBODY";
    house.expect_heard(ANN, &[last]).await;
    house.close().await;
}
