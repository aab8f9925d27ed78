//! Small stories: together they use every grant of every role, each in a few seconds and in a room of its own, so that
//! one that fails leaves nothing in the way of the next. Each ends by itself where nothing is wrong, and then the house
//! comes to rest.

use std::pin::Pin;

use serde_json::{Value, json};
use switchboard_rules::wiring::Wiring;
use switchboard_stories::chat::Guest;
use switchboard_stories::{House, PUBLIC, until};

use crate::grants::later::{PUT_OFF_S, again as another, give, not_taken};
use crate::rooms::{self, Place};

/// A story under way.
pub(super) type Told<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
/// One of them.
pub(super) type Part = for<'a> fn(&'a House, &'a Place) -> Told<'a>;

/// The one that gives the gate another configuration for a moment.
pub(super) const WAITS: &str = "what has to wait";

/// All, with a name.
pub(super) const PARTS: [(&str, Part); 13] = [
    ("a text", |house, place| Box::pin(text(house, place))),
    ("a picture from a phone", |house, place| Box::pin(picture(house, place))),
    ("a file from Slack", |house, place| Box::pin(file(house, place))),
    ("an edit and a reaction", |house, place| Box::pin(edit(house, place))),
    ("joining and leaving twice", |house, place| Box::pin(leave(house, place))),
    ("a page's post, taken back", |house, place| Box::pin(page(house, place))),
    ("everything once more", |house, place| Box::pin(again(house, place))),
    ("providers that fail", |house, place| Box::pin(failing(house, place))),
    ("a text that is not taken", |house, place| {
        Box::pin(not_taken(house, &place.ann, &place.bob, &place.word))
    }),
    ("poison", |house, place| Box::pin(poison(house, place))),
    ("an edit before its message", |house, place| Box::pin(early(house, place))),
    ("the chat", |house, place| Box::pin(chat(house, place))),
    (WAITS, |house, place| Box::pin(waits(house, place))),
];

async fn shown(house: &House, place: &Place) {
    until("it is in the channel", || async {
        house.channel(&place.channel).await.iter().any(|message| message.to_string().contains(&place.word))
    })
    .await;
}

async fn text(house: &House, place: &Place) {
    assert_eq!(house.text(&place.ann, &place.word).await, 200);
    shown(house, place).await;
    until("the other phone has it", || async {
        house.heard(&place.bob).await.iter().any(|text| text.contains(&place.word))
    })
    .await;
}

async fn picture(house: &House, place: &Place) {
    let picture = json!({ "body": place.word, "media": [{ "content_type": "image/png" }] });
    house.control("POST", &format!("/phone/{}/text", place.ann), picture).await;
    until("the picture is in Slack", || async {
        let channel = house.channel(&place.channel).await;
        let ours = channel.iter().find(|message| message.to_string().contains(&place.word));
        ours.is_some_and(|message| message["replies"][0]["files"][0]["mode"] == "hosted")
    })
    .await;
}

async fn file(house: &House, place: &Place) {
    let files = json!([{ "content_type": "image/png", "name": "map.png" }]);
    let said = json!({ "user": "U0BOB", "text": place.word, "files": files });
    house.control("POST", &format!("/slack/channels/{}/say", place.channel), said).await;
    let link = || async {
        let phone = house.control("GET", &format!("/phone/{}", place.bob), Value::Null).await;
        let received = phone["received"].as_array().expect("a list").clone();
        let ours = received.iter().find(|text| text.to_string().contains(&place.word))?.clone();
        ours["media"][0]["url"].as_str().map(|url| url.replace(PUBLIC, &house.hub.base()))
    };
    until("the file is on the phone", || async { link().await.is_some() }).await;
    let answer = reqwest::get(link().await.expect("a link")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
}

async fn edit(house: &House, place: &Place) {
    let ts = house.say(&place.channel, "U0BOB", &place.word).await;
    house.hub.quiet().await;
    let edit = json!({ "ts": ts, "text": format!("{} again", place.word) });
    house.control("POST", &format!("/slack/channels/{}/edit", place.channel), edit).await;
    let reaction = json!({ "user": "U0ANN", "ts": ts, "name": "eyes" });
    house.control("POST", &format!("/slack/channels/{}/react", place.channel), reaction).await;
}

async fn leave(house: &House, place: &Place) {
    for word in [format!("LEAVE {}", place.room), format!("JOIN {} Bob", place.room)] {
        let path = format!("/phone/{}/text", place.bob);
        let sent = house.control("POST", &path, json!({ "body": word, "copies": 2 })).await;
        assert_eq!(sent["webhook"]["status"], 200, "{word}: {sent}");
        house.hub.quiet().await;
    }
    let twice = json!({ "provider": "slack", "method": "webhook.events", "kind": "duplicate", "copies": 2, "times": 1 });
    house.fault(twice).await;
    house.say(&place.channel, "U0BOB", &place.word).await;
    let heard = || async { house.heard(&place.bob).await.iter().any(|text| text.contains(&place.word)) };
    until("the phone hears it", heard).await;
}

async fn page(house: &House, place: &Place) {
    let post = json!({ "id": place.word, "name": "Zoe", "text": place.word });
    let mut posted = Value::Null;
    for _ in ["once", "and again"] {
        let path = format!("/api/rooms/{}/messages", place.room);
        let (status, answer) = house.hub.order("POST", &path, post.clone()).await;
        assert_eq!(status, 200);
        posted = answer;
    }
    shown(house, place).await;
    house.hub.quiet().await;
    let retract = format!("/api/messages/{}/retract", posted["message_id"].as_str().expect("an id"));
    for _ in ["once", "and again"] {
        assert_eq!(house.hub.order("POST", &retract, json!({ "id": place.word })).await.0, 200);
    }
}

/// As a queue gives it again after a function was killed.
async fn again(house: &House, place: &Place) {
    let stack = house.hub.stack().expect("it is deployed");
    text(house, place).await;
    house.hub.quiet().await;
    let journal: Vec<String> = match stack.ask("journal").await {
        Value::Array(events) => events.iter().map(Value::to_string).collect(),
        _ => Vec::new(),
    };
    let said = journal.iter().find(|event| event.contains(&place.word)).expect("it is in the journal");
    let said: Value = serde_json::from_str(said).unwrap();
    let message = said["detail"]["message"]["id"].as_str().or(said["detail"]["message_id"].as_str());
    let message = message.expect("a message's id");
    let wiring = Wiring::embedded().unwrap();
    let rules = wiring.compile();
    for body in journal.iter().filter(|event| event.contains(message)) {
        for rule in rules.matching(body.as_bytes()).unwrap() {
            let function = super::logical(&wiring.rules()[rule].listener);
            let given = json!({ "do": "give-again", "function": function, "body": body });
            assert_eq!(stack.ask_with(given).await, json!({ "batchItemFailures": [] }), "{function}");
        }
    }
}

async fn failing(house: &House, place: &Place) {
    let fails = |provider: &str, method: &str| json!({ "provider": provider, "method": method, "kind": "status", "status": 503, "times": 2 });
    house.fault(fails("slack", "chat.postMessage")).await;
    house.fault(fails("twilio", "messages.create")).await;
    text(house, place).await;
    house.mend().await;
}

async fn poison(house: &House, _: &Place) {
    let stack = house.hub.stack().expect("it is deployed");
    let queues = stack.ask("resources").await;
    // What a function is connected to its queue by has a name like a queue's.
    let queues = queues.as_object().expect("resources").keys();
    let queues = queues.filter(|name| name.ends_with("Queue") && !name.ends_with("FunctionQueue"));
    for queue in queues {
        stack.ask_with(json!({ "do": "send", "queue": queue, "body": "poison" })).await;
    }
}

/// It waits for its message, and a timer ends that wait.
async fn early(house: &House, place: &Place) {
    let stack = house.hub.stack().expect("it is deployed");
    house
        .fault(json!({ "provider": "slack", "method": "webhook.events", "kind": "out_of_order",
                       "delay_ms": 10_000, "times": 1 }))
        .await;
    let edited = async {
        let ts = || async {
            let channel = house.channel(&place.channel).await;
            let ours = channel.iter().find(|message| message.to_string().contains(&place.word))?.clone();
            Some(ours["ts"].clone())
        };
        until("it stands in Slack", || async { ts().await.is_some() }).await;
        let edit = json!({ "ts": ts().await, "text": format!("{} at last", place.word) });
        house.control("POST", &format!("/slack/channels/{}/edit", place.channel), edit).await;
        let waits = json!({ "timers": 1, "schedules": 1 });
        until("the edit waits", || async { stack.ask("timers").await == waits }).await;
        stack.ask("let-the-scheduler-wake").await;
    };
    tokio::join!(house.say(&place.channel, "U0BOB", &place.word), edited);
    // Its message comes later, and ends the wait too; but then the edit is shown and not blocked.
    let given_up = || async {
        let journal = stack.ask("journal").await;
        let blocked = |event: &&Value| event["detail-type"] == "MessageBlocked";
        let mut blocked = journal.as_array().into_iter().flatten().filter(blocked);
        blocked.any(|event| event.to_string().contains(&format!("{} at last", place.word)))
    };
    until("the timer has come by the Scheduler", given_up).await;
}

async fn chat(house: &House, place: &Place) {
    let stack = house.hub.stack().expect("it is deployed");
    let (room, word) = (&*place.room, &place.word);
    let ann = Guest::sign_in_to(&house.hub, &format!("Ann {word}")).await;
    let bob = Guest::sign_in_to(&house.hub, &format!("Bob {word}")).await;
    for method in ["DELETE", "PUT"] {
        assert_eq!(ann.ask(method, &format!("/api/rooms/{room}/membership"), Value::Null).await.0, 200);
    }
    let picture = b"\x89PNG\r\n\x1a\n and so on".to_vec();
    assert_eq!(ann.upload(room, "a.png", "image/png", picture).await.0, 200);
    let mut hers = ann.connect(json!({ room: {} })).await;
    hers.hear("hello").await;
    let mut his = bob.connect(json!({ room: {} })).await;
    his.hear("hello").await;
    hers.until("Bob is here", |frame| {
        frame["kind"] == "presence" && frame["person"]["name"] == format!("Bob {word}")
    })
    .await;
    hers.say(json!({ "kind": "unwatch", "room": room })).await;
    hers.say(json!({ "kind": "watch", "room": room })).await;
    hers.hear("watching").await;
    let message = hers.post("1", room, word).await;
    his.hear("change").await;
    // Both phones are texted, and each report of that is shown.
    hers.hear("deliveries").await;
    house.hub.quiet().await;
    stack.ask_with(json!({ "do": "lose-connections", "of": format!("Bob {word}") })).await;
    // No phone hears of a reaction: nobody but the history has to say it.
    let react = json!({ "kind": "react", "id": "2", "room": room, "message_id": message, "reaction": "tada",
        "added": true });
    assert_eq!(hers.change(react).await["kind"], "accepted");
    house.hub.quiet().await;
    let known = stack.ask("connections").await["connections"].clone();
    assert_eq!(known, 1, "who is gone is forgotten when something is said");
    hers.post("3", room, &format!("{word}, are you there?")).await;
    house.hub.quiet().await;
    assert_eq!(ann.ask("DELETE", "/api/session", Value::Null).await.0, 200);
    while hers.next().await.is_some() {}
    let nobody = json!({ "connections": 0, "places": 0 });
    until("nobody is left", || async { stack.ask("connections").await == nobody }).await;
}

/// Every listener comes back to what it cannot do yet, and so does the gate's bridge to a timer.
async fn waits(house: &House, place: &Place) {
    let stack = house.hub.stack().expect("it is deployed");
    picture(house, place).await;
    file(house, place).await;
    house.hub.quiet().await;
    let journal = stack.ask("journal").await;
    let journal = journal.as_array().expect("events");
    let like = |said: &str, source: &str| {
        let errand = |event: &Value| event["detail"]["payload"]["again"].is_object();
        let fits =
            |event: &&Value| event["detail-type"] == said && event["source"] == source && !errand(event);
        journal.iter().find(fits).unwrap_or_else(|| panic!("no {said} of {source}"))
    };
    // Nothing is as far in a lane as this, and so nothing comes behind it.
    let ahead = 1000 + place.number;
    for (listener, said, source) in [
        ("moderation.gate", "MessagePosted", "switchboard.sms"),
        ("web_chat.deliveries", "DeliveryReported", "switchboard.sms"),
        ("slack.intake", "MessageReceived", "switchboard.slack"),
        ("sms.intake", "MessageReceived", "switchboard.sms"),
        ("slack.out", "RoomChanged", "switchboard.moderation"),
        ("sms.fanout", "RoomChanged", "switchboard.moderation"),
        ("web_chat.history", "RoomChanged", "switchboard.moderation"),
        ("sms.out", "SmsRequested", "switchboard.sms"),
    ] {
        let event = another(like(said, source), ahead);
        // In a lane it has to wait for those before it; elsewhere it does because somebody has failed.
        if event["detail"]["lane"].is_null() {
            let id = event["detail"]["event_id"].clone();
            let put_off = json!({ "do": "put-off", "listener": listener, "event": id, "seconds": PUT_OFF_S });
            stack.ask_with(put_off).await;
        }
        give(house, listener, &event).await;
    }
    house.hub.quiet().await;
    // A timer of this second, which waits in the queue; and one that the queue brought too early.
    let soon = rooms::configuration().replace("park_s = 86400", "park_s = 1");
    stack.ask_with(json!({ "do": "configure", "text": soon })).await;
    let mut edit = another(like("MessagePosted", "switchboard.sms"), ahead + 1);
    edit["detail-type"] = json!("MessageEdited");
    edit["detail"]["message"]["id"] = json!(format!("msg_{:032x}", place.number));
    give(house, "moderation.gate", &edit).await;
    stack.ask_with(json!({ "do": "configure", "text": rooms::configuration() })).await;
    stack.ask_with(json!({ "do": "remind-early", "of": place.word })).await;
    house.hub.quiet().await;
}
