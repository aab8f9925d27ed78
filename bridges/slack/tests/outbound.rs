//! What the room shows, and what is asked of Slack.

use switchboard_core::event::{Change, DeliveryStatus, RoomChanged};
use switchboard_core::{Address, EventId, HttpError, Message, MessageId, Revision, Sender, Surface};

use super::files::with_file;
use super::*;

pub(super) fn sms(text: &str) -> Message {
    Message {
        id: MessageId::from_cause(&["sms", "SM1"]),
        revision: Revision::FIRST,
        room: "lobby".parse().unwrap(),
        sender: Sender { surface: Surface::Sms, address: Address::new("+14155550100"), name: "Ann".into() },
        text: text.into(),
        attachments: Vec::new(),
        thread_parent: None,
        time: NOW,
        hops: 0,
        provider_id: None,
    }
}

pub(super) fn changed(seq: u64, change: Change, message: &Message) -> Event {
    let changed = RoomChanged {
        lane: message.room.to_string(),
        seq,
        change,
        message: message.clone(),
        by: None,
        reaction: None,
    };
    let id = EventId::from_cause(&["gate", message.room.as_str(), &seq.to_string()]);
    Event::new(id, "moderation", NOW, Detail::RoomChanged(changed))
}

#[test]
fn a_text_from_a_phone_is_posted_in_the_channel_and_pings_no_one() {
    let house = House::new();
    let outcome = house.event("slack.out", &changed(1, Change::Posted, &sms("<!channel> fish & chips")));
    let effect = only_effect(&outcome);
    assert_eq!(effect.destination, "slack/C0LOBBY01");
    let answer = r#"{"ok":true,"channel":"C0LOBBY01","ts":"1736207201.000100","message":{"bot_id":"B0HUB0001","team":"T0HUB0001"}}"#;
    let http = ScriptedHttp::new([ok(answer)]);
    let settled = house.carry_out(effect, &http);

    let sent = &http.sent()[0];
    assert_eq!(sent.line, "POST https://slack.test/api/chat.postMessage");
    assert_eq!(sent.header("authorization"), Some("Bearer xoxb-token"));
    assert_eq!(sent.header("content-type"), Some("application/json; charset=utf-8"));
    let expected = serde_json::json!({
        "channel": "C0LOBBY01", "text": "&lt;!channel&gt; fish &amp; chips", "username": "Ann (SMS)",
        "unfurl_links": false, "unfurl_media": false, "parse": "none", "link_names": false,
        "metadata": { "event_type": "switchboard_message",
            "event_payload": { "message_id": sms("").id, "hops": 1 } },
    });
    assert_eq!(json(&sent.body), expected);

    let Detail::DeliveryReported(reported) = only_event(&settled) else { panic!("{settled:?}") };
    assert_eq!(reported.status, DeliveryStatus::Delivered);
    assert_eq!(reported.provider_id.as_deref(), Some("1736207201.000100"));
    assert_eq!((reported.surface, reported.address.as_str()), (Surface::Slack, "C0LOBBY01"));
}

pub(super) const POSTED: &str = r#"{"ok":true,"channel":"C0LOBBY01","ts":"1736207201.000100",
    "message":{"bot_id":"B0HUB0001","user":"U0HUBBOT1","team":"T0HUB0001"}}"#;
pub(super) const TS: &str = "1736207201.000100";

/// A message from a phone that stands in the channel.
pub(super) fn posted(house: &House, message: &Message) -> Outcome {
    let outcome = house.event("slack.out", &changed(1, Change::Posted, message));
    house.carry_out(only_effect(&outcome), &ScriptedHttp::new([ok(POSTED)]))
}

#[test]
fn what_is_not_for_the_channel_costs_nothing() {
    let house = House::new();
    let from_slack = Message {
        sender: Sender { surface: Surface::Slack, address: Address::new("U1"), name: "Bob".into() },
        ..sms("hello")
    };
    let elsewhere = Message { room: "attic".parse().unwrap(), ..sms("hello") };
    let round = Message { hops: 4, ..sms("hello") };
    for (change, message) in [
        (Change::Posted, &from_slack),
        (Change::Edited, &from_slack),
        (Change::Deleted, &from_slack),
        (Change::Retracted, &from_slack),
        (Change::Posted, &elsewhere),
        (Change::Posted, &round),
        (Change::Reacted, &sms("hello")),
        (Change::Edited, &sms("never posted")),
    ] {
        let outcome = house.event("slack.out", &changed(1, change, message));
        assert_eq!(outcome, Outcome::nothing(), "{change:?} {message:?}");
    }
}

#[test]
fn an_echo_that_is_faster_than_the_answer_settles_the_post() {
    let house = House::new();
    let message =
        Message { id: MessageId::from_text("msg_0123456789abcdef0123456789abcdef"), ..sms("hello") };
    let outcome = house.event("slack.out", &changed(1, Change::Posted, &message));
    house.hear("message_own_echo_invented");
    let http = ScriptedHttp::new([]);
    let settled = house.carry_out(only_effect(&outcome), &http);
    assert_eq!(http.sent(), [], "it is not posted again");
    let Detail::DeliveryReported(reported) = only_event(&settled) else { panic!("{settled:?}") };
    assert_eq!(reported.provider_id.as_deref(), Some("1736207140.000100"));
}

#[test]
fn an_echo_and_the_answer_may_race_for_the_record() {
    let house = House::new();
    let message =
        Message { id: MessageId::from_text("msg_0123456789abcdef0123456789abcdef"), ..sms("hello") };
    let outcome = house.event("slack.out", &changed(1, Change::Posted, &message));
    let effect = only_effect(&outcome);
    let answer = POSTED.replace(TS, "1736207140.000100");
    let report = house.attempt(effect, &ScriptedHttp::new([ok(&answer)])).unwrap();
    // Both decide on what stood before either.
    let before = house.store.snapshot();
    let one = block_on(house.slack.settle(effect, &Settlement::Done(report.clone()), NOW, &before)).unwrap();
    let two = house.hear("message_own_echo_invented");
    assert_eq!(two.writes.len(), 2);
    let lost = house.store.commit(&one.writes).unwrap_err();
    assert!(matches!(lost, Failure::Retry { .. }), "the slower one decides again");
    let again = house.settle(effect, &Settlement::Done(report));
    assert_eq!(again.events, one.events);
}

#[test]
fn a_reply_goes_into_the_thread_of_what_it_answers() {
    let house = House::knowing(&[("U0ANN0001", "Ann")]);
    // Of a person's message in Slack, of a reply to it, of a post of ours, of what nobody knows.
    let Detail::MessagePosted(head) = only_event(&house.hear("message")).clone() else { panic!() };
    let Detail::MessagePosted(reply) = only_event(&house.hear("message_thread_reply")).clone() else {
        panic!()
    };
    let ours = sms("hello");
    posted(&house, &ours);
    let unknown = MessageId::from_cause(&["nobody"]);
    for (parent, thread) in [
        (head.message.id, Some("1736207085.539649")),
        (reply.message.id, Some("1736207085.539649")),
        (ours.id.clone(), Some(TS)),
        (unknown, None),
    ] {
        let answer = Message { id: MessageId::from_cause(&["2"]), thread_parent: Some(parent), ..sms("yes") };
        let outcome = house.event("slack.out", &changed(2, Change::Posted, &answer));
        let http = ScriptedHttp::new([ok(POSTED)]);
        house.attempt(only_effect(&outcome), &http).unwrap();
        assert_eq!(json(&http.sent()[0].body).get("thread_ts").and_then(Value::as_str), thread);
    }
    // And a reply in Slack to a post of ours answers our message.
    let text = String::from_utf8(fixture("message_thread_reply.json").to_vec()).unwrap();
    let text = text.replace("\"thread_ts\": \"1736207085.539649\"", &format!("\"thread_ts\": \"{TS}\""));
    let outcome = house.knock(&signed("/slack/events", text)).unwrap().unwrap().1;
    let Detail::MessagePosted(said) = only_event(&outcome) else { panic!("{outcome:?}") };
    assert_eq!(said.message.thread_parent, Some(ours.id));
}

#[test]
fn a_post_whose_end_is_unknown_is_looked_for_by_its_mark() {
    let house = House::new();
    let outcome = house.event("slack.out", &changed(1, Change::Posted, &sms("hello")));
    let effect = only_effect(&outcome);
    let id = sms("").id;
    let first = r#"{"ok":true,"messages":[{"ts":"9.1","text":"hello"},
        {"ts":"9.2","metadata":{"event_type":"other","event_payload":{"message_id":7}}}],
        "response_metadata":{"next_cursor":"bmV4dA=="}}"#;
    let second = format!(
        r#"{{"ok":true,"messages":[{{"ts":"{TS}","bot_id":"B0HUB0001",
        "metadata":{{"event_type":"switchboard_message","event_payload":{{"message_id":"{id}","hops":1}}}}}}]}}"#
    );
    let http = ScriptedHttp::new([ok(first), ok(&second)]);
    let report = house.find(effect, &http).unwrap().expect("it is there");
    assert_eq!(http.sent()[0].line, "POST https://slack.test/api/conversations.history");
    let asked =
        "channel=C0LOBBY01&oldest=1736207198.000000&inclusive=true&include_all_metadata=true&limit=200";
    assert_eq!(http.sent()[0].body, asked);
    assert_eq!(http.sent()[1].body, format!("{asked}&cursor=bmV4dA%3D%3D"));
    let settled = house.settle(effect, &Settlement::Done(report));
    let Detail::DeliveryReported(reported) = only_event(&settled) else { panic!("{settled:?}") };
    assert_eq!(reported.provider_id.as_deref(), Some(TS));

    let none = ScriptedHttp::new([ok(r#"{"ok":true,"messages":[]}"#)]);
    assert_eq!(house.find(effect, &none).unwrap(), None);
    let ill = ScriptedHttp::new([ScriptedHttp::json(500, "")]);
    assert_eq!(house.find(effect, &ill).unwrap_err().kind(), "retry");
}

#[test]
fn slacks_refusals_say_what_to_do_next() {
    let house = House::new();
    let outcome = house.event("slack.out", &changed(1, Change::Posted, &sms("hello")));
    let post = only_effect(&outcome).clone();
    posted(&house, &Message { id: MessageId::from_cause(&["2"]), ..sms("hello") });
    let other = Message { id: MessageId::from_cause(&["2"]), ..sms("hello") };
    let update = only_effect(&house.event("slack.out", &changed(2, Change::Edited, &other))).clone();
    let refused = |error: &str| ok(&format!(r#"{{"ok":false,"error":"{error}","needed":"chat:write"}}"#));
    let limited = |after: &str| ScriptedHttp::answer(429, &[("retry-after", after)], "");
    let unanswered = || Err(HttpError::Unanswered("reset".into()));
    for (effect, answer, expected, words) in [
        (&post, limited("30"), "retry after 30s", "limits us"),
        (&post, limited("0"), "retry after 1s", "limits us"),
        (&post, limited("999999"), "retry after 3600s", "limits us"),
        (&post, ScriptedHttp::answer(429, &[], ""), "retry after 5s", "limits us"),
        (&post, refused("ratelimited"), "retry after 5s", "limits us"),
        (&post, refused("invalid_auth"), "retry after 60s", "set SLACK_BOT_TOKEN"),
        (&post, refused("token_revoked"), "retry after 60s", "set SLACK_BOT_TOKEN"),
        (&post, refused("missing_scope"), "retry after 60s", "the scope chat:write"),
        (&post, refused("not_in_channel"), "refuse", "invite the app"),
        (&post, refused("channel_not_found"), "refuse", "invite the app"),
        (&post, refused("is_archived"), "refuse", "unarchive"),
        (&post, refused("restricted_action"), "refuse", "let the app post"),
        (&post, refused("msg_too_long"), "bug", "msg_too_long"),
        (&post, refused("too_many_attachments"), "bug", "too_many_attachments"),
        (&post, refused("ekm_access_denied"), "refuse", "an administrator"),
        (&post, refused("something_new"), "refuse", "methods/chat.postMessage; then redrive"),
        (&post, refused("team_added_to_org"), "retry", "team_added_to_org"),
        (&post, refused("message_limit_exceeded"), "retry after 5s", "limits us"),
        (&post, ok(r#"{"ok":false}"#), "refuse", "then redrive"),
        (&post, ok("{}"), "unsure", "no result"),
        (&post, refused("internal_error"), "unsure", "internal_error"),
        (&post, refused("fatal_error"), "unsure", "fatal_error"),
        (&post, ScriptedHttp::json(500, "oops"), "unsure", "answered 500"),
        (&post, ScriptedHttp::json(200, "<html>"), "unsure", "no result"),
        (&post, ScriptedHttp::json(407, ""), "retry", "answered 407"),
        (&post, unanswered(), "unsure", "no answer"),
        (&post, Err(HttpError::NotSent("refused".into())), "retry", "no connection"),
        (&update, unanswered(), "retry", "no answer"),
        (&update, refused("internal_error"), "retry", "internal_error"),
        (&update, refused("edit_window_closed"), "refuse", "let apps change"),
        (&update, refused("message_not_found"), "done", "changed"),
    ] {
        let (got, reason) = match house.attempt(effect, &ScriptedHttp::new([answer])) {
            Ok(report) => ("done".to_owned(), report.0),
            Err(Failure::Retry { reason, after: Some(after), .. }) => {
                (format!("retry after {after:?}"), reason)
            }
            Err(failure) => (failure.kind().to_owned(), failure.to_string()),
        };
        assert_eq!(got, expected, "{reason}");
        assert!(reason.contains(words) && !reason.contains("xoxb") && !reason.contains("hello"), "{reason}");
    }
}

#[test]
fn a_reply_that_its_thread_does_not_take_stands_in_the_channel() {
    let house = House::new();
    let head = sms("hello");
    posted(&house, &head);
    let reply =
        Message { id: MessageId::from_cause(&["2"]), thread_parent: Some(head.id.clone()), ..sms("yes") };
    let reply = with_file(reply, &house, b"x");
    let effect = only_effect(&house.event("slack.out", &changed(2, Change::Posted, &reply))).clone();
    let own_ts = "1736207299.000100";
    let answer = POSTED.replace(TS, own_ts);
    for word in ["restricted_action_thread_locked", "cannot_reply_to_message", "thread_not_found"] {
        let refused = ok(&format!(r#"{{"ok":false,"error":"{word}"}}"#));
        let http = ScriptedHttp::new([refused.clone(), ok(&answer)]);
        let report = house.attempt(&effect, &http).unwrap();
        let threads: Vec<Option<Value>> =
            http.sent().iter().map(|sent| json(&sent.body).get("thread_ts").cloned()).collect();
        assert_eq!(threads, [Some(TS.into()), None], "{word}");
        assert!(report.0.contains(r#""unthreaded":true"#), "{}", report.0);
        // Refused in the channel too: that is the end.
        let http = ScriptedHttp::new([refused.clone(), refused]);
        assert_eq!(house.attempt(&effect, &http).unwrap_err().kind(), "refuse", "{word}");
    }

    // Its end is unknown: it is in the thread, or else in the channel.
    let id = &reply.id;
    let page = format!(
        r#"{{"ok":true,"messages":[{{"ts":"{own_ts}","metadata":{{"event_type":"switchboard_message",
        "event_payload":{{"message_id":"{id}","hops":1}}}}}}]}}"#
    );
    let gone = ok(r#"{"ok":false,"error":"thread_not_found"}"#);
    for thread in [ok(r#"{"ok":true,"messages":[]}"#), gone] {
        let http = ScriptedHttp::new([thread, ok(&page)]);
        let report = house.find(&effect, &http).unwrap().expect("it is there");
        let asked: Vec<String> = http.sent().iter().map(|sent| sent.line.clone()).collect();
        assert!(asked[0].ends_with("conversations.replies") && asked[1].ends_with("conversations.history"));
        let settled = house.settle(&effect, &Settlement::Done(report));
        let upload = settled.events.iter().find(|event| event.detail.kind() == "MessageReceived").unwrap();
        let Detail::MessageReceived(received) = &upload.detail else { panic!() };
        assert_eq!(received.payload["thread"], own_ts, "its files go to where it stands");
    }
}

#[test]
fn a_post_that_is_given_up_is_reported_and_shown_in_the_status() {
    let house = House::new();
    let outcome = house.event("slack.out", &changed(1, Change::Posted, &sms("hello")));
    let failure = Failure::refuse(404, "chat.postMessage: Slack answered not_in_channel");
    let settled = house.settle(only_effect(&outcome), &Settlement::GaveUp(failure));
    let Detail::DeliveryReported(reported) = only_event(&settled) else { panic!("{settled:?}") };
    assert_eq!(reported.status, DeliveryStatus::Failed);
    assert!(reported.reason.as_deref().unwrap().contains("not_in_channel"));
    let form = String::from_utf8(fixture("command_invented.form").to_vec()).unwrap();
    let ask = signed("/slack/commands", form.replace("text=room", "text=status"));
    let reply = house.knock(&ask).unwrap().unwrap().1.reply.unwrap().body;
    assert!(reply.contains("not_in_channel"), "{reply}");
}

#[test]
fn long_texts_keep_slacks_limits_and_notes_stand_for_files_that_are_not_there() {
    let house = House::new();
    let long = Message { text: "<é>".repeat(13_334), ..sms("") };
    let outcome = house.event("slack.out", &changed(1, Change::Posted, &long));
    let http = ScriptedHttp::new([ok(POSTED)]);
    house.carry_out(only_effect(&outcome), &http);
    let text = json(&http.sent()[0].body)["text"].as_str().unwrap().to_owned();
    assert!(text.chars().count() <= 40_000 && text.ends_with("(too long for Slack)"));
    let outcome = house.event("slack.out", &changed(2, Change::Edited, &long));
    let http = ScriptedHttp::new([ok(r#"{"ok":true}"#)]);
    house.carry_out(only_effect(&outcome), &http);
    let text = json(&http.sent()[0].body)["text"].as_str().unwrap().to_owned();
    assert!(text.len() <= 4_000 && text.ends_with("(too long for Slack)"));

    let mut noted = with_file(Message { id: MessageId::from_cause(&["3"]), ..sms("see") }, &house, b"x");
    noted.attachments[0].blob = None;
    noted.attachments[0].note = Some("larger than 5 MB".into());
    let outcome = house.event("slack.out", &changed(3, Change::Posted, &noted));
    let http = ScriptedHttp::new([ok(POSTED)]);
    let settled = house.carry_out(only_effect(&outcome), &http);
    assert_eq!(json(&http.sent()[0].body)["text"], "see\n[cat.png: larger than 5 MB]");
    assert_eq!(settled.events.len(), 1, "nothing to upload");
}

#[test]
fn reactions_from_elsewhere_are_one_of_the_apps_own_for_as_long_as_anybody_has_it() {
    let house = House::new();
    let message = sms("lunch?");
    posted(&house, &message);
    let mut seq = 1;
    let mut react = |surface, who: &str, added| {
        seq += 1;
        let mut event = changed(seq, Change::Reacted, &message);
        if let Detail::RoomChanged(changed) = &mut event.detail {
            changed.by = Some(Sender { surface, address: Address::new(who), name: who.into() });
            changed.reaction = Some(switchboard_core::event::Reaction { name: "wave".into(), added });
        }
        let outcome = house.event("slack.out", &event);
        let done: Vec<String> = outcome
            .effects
            .iter()
            .map(|effect| {
                let http = ScriptedHttp::new([ok(r#"{"ok":false,"error":"already_reacted"}"#)]);
                assert_eq!(house.carry_out(effect, &http), Outcome::nothing());
                let sent = &http.sent()[0];
                assert_eq!(json(&sent.body)["name"], "wave");
                sent.line.rsplit('/').next().unwrap().to_owned()
            })
            .collect();
        done.join(" ")
    };
    assert_eq!(react(Surface::Web, "ann", true), "reactions.add");
    assert_eq!(react(Surface::Web, "ann", true), "", "again");
    assert_eq!(react(Surface::Web, "bob", true), "");
    assert_eq!(react(Surface::Slack, "U1", true), "", "Slack's own");
    assert_eq!(react(Surface::Web, "ann", false), "");
    assert_eq!(react(Surface::Web, "bob", false), "reactions.remove");
}
