//! What Slack sends in, and what it means.

use super::*;

#[test]
fn slacks_own_signature_vector_verifies() {
    let request = |signature: &str, time: &str| {
        http::Request::post("/slack/commands")
            .header("x-slack-request-timestamp", time)
            .header("x-slack-signature", signature)
            .body(fixture("command_signed.form"))
            .unwrap()
    };
    let environment =
        [("SLACK_SIGNING_SECRET", "other,8f742231b10e8888abcd99yyyzzz85a5"), ("SLACK_BOT_TOKEN", "t")];
    let slack = Slack::new(&Settings::for_tests(ROOMS, &environment)).unwrap();
    let good = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    let sent = 1_531_420_618;
    for (signature, time, now, expected) in [
        (good, "1531420618", sent, "ok"),
        (good, "1531420618", sent + 300, "ok"),
        (good, "1531420618", sent - 300, "ok"),
        (good, "1531420618", sent + 301, "stale"),
        (good, "1531420618", sent - 301, "future"),
        (good, "1531420619", sent, "does not match"),
        (good, "soon", sent, "not a number"),
        (&good[3..], "1531420618", sent, "not v0="),
        ("v0=zz", "1531420618", sent, "not v0="),
        ("v0=", "1531420618", sent, "does not match"),
    ] {
        let now = Timestamp::from_secs(now);
        let got = match slack.admit("slack.door", &request(signature, time), now) {
            Ok(_) => "ok".to_owned(),
            Err(Failure::Refuse { status: 403, reason }) => reason,
            Err(other) => panic!("{other:?}"),
        };
        assert!(got.contains(expected), "{signature} {time}: {got}");
    }
    let bare = http::Request::post("/slack/events").body(Bytes::new()).unwrap();
    let error = slack.admit("slack.door", &bare, NOW).unwrap_err().to_string();
    assert!(error.contains("no x-slack-signature"), "{error}");
}

#[test]
fn without_a_secret_nothing_is_let_in() {
    let slack = Slack::new(&Settings::for_tests("", &[])).unwrap();
    let error = slack.admit("slack.door", &event_of("message"), NOW).unwrap_err().to_string();
    assert!(error.contains("SLACK_SIGNING_SECRET is not set"), "{error}");
}

#[test]
fn what_no_room_would_show_is_answered_at_once() {
    let house = House::new();
    for (name, body) in [
        ("url_verification", r#"{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}"#),
        ("app_rate_limited", ""),
        ("message_channel_join", ""),
        ("message_elsewhere_invented", ""),
        ("message_changed_unfurl_invented", ""),
        ("message_changed_locale_invented", ""),
        ("app_mention", ""),
        ("channel_rename", ""),
    ] {
        let Admission::Answer(reply) = house.admit(&event_of(name)).unwrap() else { panic!("{name}") };
        assert_eq!((reply.status, reply.body.as_str()), (200, body), "{name}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    for body in ["", "no", "[]", r#"{"type":"event_callback"}"#, r#"{"type":"url_verification"}"#] {
        let error = House::new().admit(&signed("/slack/events", body.to_owned())).unwrap_err();
        assert!(matches!(error, Failure::Refuse { status: 400, .. }), "{body}: {error:?}");
    }
}

#[test]
fn what_is_said_in_a_channel_becomes_a_message_of_its_room() {
    let ann = [("U0ANN0001", "Ann"), ("U0BOB0001", "Bob"), ("U0CAT0001", "Cat"), ("C0OPS0001", "ops")];
    for (name, expected) in [
        ("message", "MessagePosted Ann: Fish & chips at 7 <sharp>?"),
        (
            "message_mentions",
            "MessagePosted Ann: @Bob and @Cat: see #ops and the plan (https://hub.example/a?b=1&c=2), @here",
        ),
        ("message_thread_reply", "MessagePosted Ann: In the thread"),
        ("message_thread_broadcast", "MessagePosted Ann: For all"),
        ("message_me", "MessagePosted Ann: waves"),
        ("message_changed", "MessageEdited Ann: Fish & chips at 8"),
        ("message_deleted", "MessageDeleted Ann"),
        ("message_root_deleted", "MessageDeleted Ann"),
        ("message_bot", "MessagePosted builds: Build 7 failed"),
    ] {
        let house = House::knowing(&ann);
        let outcome = house.hear(name);
        assert_eq!(story(only_event(&outcome)), expected, "{name}");
        assert_eq!(outcome.reply, None, "an empty 200");
    }
}

/// An event in a few words.
fn story(detail: &Detail) -> String {
    match detail {
        Detail::MessagePosted(said) | Detail::MessageEdited(said) => {
            format!("{} {}: {}", detail.kind(), said.message.sender.name, said.message.text)
        }
        Detail::MessageDeleted(deleted) => format!("{} {}", detail.kind(), deleted.sender.name),
        other => other.kind().to_owned(),
    }
}
