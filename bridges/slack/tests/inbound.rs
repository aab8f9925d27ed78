//! What Slack sends in, and what it means.

use std::time::Duration;

use switchboard_core::{HttpError, Revision, Surface};

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
            Err(Failure::Refuse { status: 403, reason, .. }) => reason,
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

#[test]
fn slacks_retries_are_one_arrival_and_one_outcome() {
    let house = House::knowing(&[("U0ANN0001", "Ann")]);
    let first = fixture("message.json");
    // A retry may come under another event_id, and without a header that says so.
    let text = String::from_utf8(first.to_vec()).unwrap();
    let again = text.replace("Ev0HUBX0001", "Ev0HUBX0002").replace("1736207085,", "1736207099,");
    assert_ne!(text, again);
    let one = house.knock(&signed("/slack/events", text)).unwrap();
    assert_eq!(one, house.knock(&signed("/slack/events", again)).unwrap());
    let edit = house.knock(&event_of("message_changed")).unwrap().unwrap();
    assert_ne!(edit.0, one.unwrap().0, "an edit is another arrival");
}

#[test]
fn a_messages_ids_times_and_revisions_are_slacks() {
    let house = House::knowing(&[("U0ANN0001", "Ann")]);
    let Detail::MessagePosted(said) = only_event(&house.hear("message")).clone() else { panic!() };
    assert_eq!(said.message.time, Timestamp::from_ms(1_736_207_085_539));
    assert_eq!(said.message.room.as_str(), "lobby");
    assert_eq!((said.message.sender.surface, said.message.revision), (Surface::Slack, Revision::FIRST));
    let Detail::MessageEdited(edit) = only_event(&house.hear("message_changed")).clone() else { panic!() };
    assert_eq!(
        (&edit.message.id, edit.message.revision),
        (&said.message.id, Revision(1_736_207_110_000_000))
    );
    let Detail::MessageDeleted(gone) = only_event(&house.hear("message_deleted")).clone() else { panic!() };
    assert_eq!((gone.message_id, gone.room), (said.message.id.clone(), said.message.room));
    let Detail::MessagePosted(reply) = only_event(&house.hear("message_thread_reply")).clone() else {
        panic!()
    };
    assert_eq!(reply.message.thread_parent, Some(said.message.id));
}

#[test]
fn an_unknown_name_is_fetched_once_and_the_message_said_then() {
    let house = House::knowing(&[("U0ANN0001", "Ann"), ("C0OPS0001", "ops")]);
    let received = house.hear("message_mentions").events.remove(0);
    assert_eq!(received.detail.kind(), "MessageReceived");
    let effect = only_effect(&house.event("slack.intake", &received)).clone();
    assert_eq!(effect.destination, "slack/C0LOBBY01");
    let http = ScriptedHttp::new([
        ok(
            r#"{"ok":true,"user":{"id":"U0BOB0001","name":"bob","real_name":"Bob B","profile":{"display_name":""}}}"#,
        ),
        ok(r#"{"ok":false,"error":"user_not_found"}"#),
    ]);
    let settled = house.carry_out(&effect, &http);
    assert_eq!(http.sent()[0].line, "POST https://slack.test/api/users.info");
    assert_eq!(http.sent()[0].body, "user=U0BOB0001");
    assert_eq!(http.sent()[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    let expected = "MessagePosted Ann: @Bob B and @U0CAT0001: see #ops and the plan (https://hub.example/a?b=1&c=2), @here";
    assert_eq!(story(only_event(&settled)), expected);
    // Now all is known, the name that Slack does not tell too.
    assert_eq!(story(only_event(&house.hear("message_mentions"))), expected);
    // And an errand that comes round again asks nobody and says the same.
    let again = house.event("slack.intake", &received);
    assert_eq!((again.effects.len(), &again.events), (0, &settled.events));
}

#[test]
fn a_message_is_said_even_if_its_names_and_files_cannot_be_had() {
    let house = House::new();
    let received = house.hear("message_file_share").events.remove(0);
    let effect = only_effect(&house.event("slack.intake", &received)).clone();
    for (answer, after) in [
        (ScriptedHttp::json(500, ""), None),
        (ok(r#"{"ok":false,"error":"invalid_auth"}"#), None),
        (ScriptedHttp::answer(429, &[("retry-after", "7")], ""), Some(Duration::from_secs(7))),
        (Err(HttpError::Unanswered("gone".into())), None),
    ] {
        let refused = matches!(&answer, Ok(answer) if answer.body().starts_with(b"{\"ok\":false"));
        let gone = ScriptedHttp::answer(404, &[], "");
        let failure = house.attempt(&effect, &ScriptedHttp::new([answer, gone])).unwrap_err();
        let Failure::Retry { after: got, credentials, .. } = &failure else { panic!("{failure:?}") };
        assert_eq!((*got, *credentials), (after, refused), "{failure:?}");
    }
    let gave_up = house.settle(&effect, &Settlement::GaveUp(Failure::retry("Slack was ill for a day")));
    let settled = house.carry_out(only_effect(&gave_up), &ScriptedHttp::new([]));
    let Detail::MessagePosted(said) = only_event(&settled) else { panic!("{settled:?}") };
    assert_eq!((said.message.sender.name.as_str(), said.message.text.as_str()), ("U0ANN0001", "look"));
    let file = &said.message.attachments[0];
    assert_eq!((file.name.as_str(), file.blob.is_none(), file.note.is_some()), ("cat.png", true, true));
}

#[test]
fn our_own_posts_do_not_come_back() {
    // By the app's id; by the bot's, learned or configured; by the mark.
    let house = House::new();
    let echo = house.hear("message_own_echo_invented");
    assert_eq!((echo.events.len(), echo.effects.len()), (0, 0));
    assert_eq!(echo.writes.len(), 2, "it completes the record of where our message stands");
    assert_eq!(house.hear("message_own_echo_invented").writes, [], "once");

    let configured = Slack::new(&settings("[slack]\nbot_id = \"B0HUB0001\"")).unwrap();
    let house = House { slack: configured, ..House::new() };
    assert_eq!(house.hear("message_own_bare_invented"), Outcome::nothing());

    // Nothing is known, and nothing tells: Slack is asked before anything is said.
    let house = House::new();
    let received = house.hear("message_own_bare_invented").events.remove(0);
    let effect = only_effect(&house.event("slack.intake", &received)).clone();
    let auth = r#"{"ok":true,"user_id":"U0HUBBOT1","bot_id":"B0HUB0001","team_id":"T0HUB0001"}"#;
    let http = ScriptedHttp::new([ok(auth)]);
    assert_eq!(house.carry_out(&effect, &http).events, []);
    assert_eq!(http.sent()[0].line, "POST https://slack.test/api/auth.test");
    assert_eq!(house.hear("message_own_bare_invented"), Outcome::nothing(), "learned");
    assert_eq!(
        story(only_event(&house.hear("message_bot_classic"))),
        "MessagePosted watch: Disk full on db1"
    );
}

#[test]
fn another_bot_is_heard_once_we_know_that_it_is_not_us() {
    let house = House::new();
    let received = house.hear("message_bot_classic").events.remove(0);
    let effect = only_effect(&house.event("slack.intake", &received)).clone();
    let auth = r#"{"ok":true,"user_id":"U0HUBBOT1","bot_id":"B0HUB0001","team_id":"T0HUB0001"}"#;
    let settled = house.carry_out(&effect, &ScriptedHttp::new([ok(auth)]));
    assert_eq!(story(only_event(&settled)), "MessagePosted watch: Disk full on db1");
    // Where even that cannot be asked, the dead letter keeps it: we do not guess.
    let house = House::new();
    assert_eq!(house.settle(&effect, &Settlement::GaveUp(Failure::retry("no answer"))).events, []);
}

#[test]
fn another_switchboards_post_counts_its_hops_and_does_not_go_round_for_ever() {
    let house = House::new();
    let outcome = house.hear("message_other_hub_invented");
    let Detail::MessagePosted(said) = only_event(&outcome) else { panic!("{outcome:?}") };
    assert_eq!((said.message.hops, said.message.sender.name.as_str()), (2, "Zoe (SMS)"));
    let round = String::from_utf8(fixture("message_other_hub_invented.json").to_vec()).unwrap();
    let round = round.replace("\"hops\": 2", "\"hops\": 4");
    assert_eq!(house.knock(&signed("/slack/events", round)).unwrap().unwrap().1, Outcome::nothing());
}

#[test]
fn the_mark_of_a_post_completes_the_record_by_itself() {
    let house = House::new();
    let outcome = house.hear("message_metadata_posted");
    assert_eq!((outcome.events.len(), outcome.writes.len()), (0, 2));
    let other = String::from_utf8(fixture("message_metadata_posted.json").to_vec()).unwrap();
    let other = other.replace("\"app_id\": \"A0HUB0001\"", "\"app_id\": \"A0OTHER01\"");
    assert_eq!(house.knock(&signed("/slack/events", other)).unwrap(), None);
}

#[test]
fn a_command_is_answered_to_who_asked() {
    let house = House::new();
    let ask = |house: &House, change: (&str, &str)| {
        let form = String::from_utf8(fixture("command_invented.form").to_vec()).unwrap();
        let request = signed("/slack/commands", form.trim().replace(change.0, change.1));
        let (_, outcome) = house.knock(&request).unwrap().unwrap();
        let reply = json(&outcome.reply.unwrap().body);
        assert_eq!(reply["response_type"], "ephemeral");
        reply["text"].as_str().unwrap().to_owned()
    };
    for (change, expected) in [
        (("text=room", "text=room"), "This channel shows the room `lobby`: lobby."),
        (("C0LOBBY01", "C0ELSE001"), "This channel (C0ELSE001) shows no room."),
        (("text=room", "text=status"), "Nothing has been delivered"),
        (("text=room", "text="), "`/switchboard room` says"),
        (("text=room", "text=%3C!channel%3E"), "`/switchboard room` says"),
    ] {
        let text = ask(&house, change);
        assert!(text.contains(expected), "{text}");
    }
    let configured = Slack::new(&settings("[slack]\nteam_id = \"T0HUB0001\"")).unwrap();
    let house = House { slack: configured, ..House::new() };
    assert!(ask(&house, ("", "")).contains("shows the room"));
    assert!(ask(&house, ("T0HUB0001", "T0STRANGE")).contains("people of the workspace"));
    let check = signed("/slack/commands", "ssl_check=1&token=x");
    assert_eq!(house.admit(&check).unwrap(), Admission::Answer(switchboard_core::Reply::empty()));
    let bad = house.admit(&signed("/slack/commands", "command=%2Fx")).unwrap_err();
    assert!(matches!(bad, Failure::Refuse { status: 400, .. }), "{bad:?}");
}

#[test]
fn a_button_is_acknowledged() {
    let house = House::new();
    let admission =
        house.admit(&signed("/slack/interactions", fixture("interaction_invented.form"))).unwrap();
    assert_eq!(admission, Admission::Answer(switchboard_core::Reply::empty()));
    let bad = house.admit(&signed("/slack/interactions", "payload=no")).unwrap_err();
    assert!(matches!(bad, Failure::Refuse { status: 400, .. }), "{bad:?}");
}

#[test]
fn deciding_is_cheap() {
    // A guard against an accident in the hot path, not a measurement: the bound is wide.
    let house = House::knowing(&[("U0ANN0001", "Ann")]);
    let request = event_of("message");
    let (id, _) = house.knock(&request).unwrap().unwrap();
    let begun = std::time::Instant::now();
    for _ in 0..1000 {
        let arrival = Arrival { listener: "slack.door", id: &id, now: NOW, what: What::Request(&request) };
        block_on(house.slack.decide(&arrival, &house.store)).unwrap();
    }
    let each = begun.elapsed() / 1000;
    assert!(each < Duration::from_millis(1), "{each:?}");
    println!("{each:?}");
}

#[test]
fn a_reaction_is_to_the_message_wherever_it_was_said() {
    let house = House::knowing(&[("U0ANN0001", "Ann")]);
    let outcome = house.hear("reaction_added");
    let Detail::ReactionChanged(changed) = only_event(&outcome) else { panic!("{outcome:?}") };
    let Detail::MessagePosted(said) = only_event(&house.hear("message")).clone() else { panic!() };
    assert_eq!((&changed.message_id, changed.sender.name.as_str()), (&said.message.id, "Ann"));
    assert_eq!((changed.reaction.as_str(), changed.added), ("+1", true));
    // To a post of ours:
    house.hear("message_own_echo_invented");
    let text = String::from_utf8(fixture("reaction_added.json").to_vec()).unwrap();
    let removed =
        text.replace("reaction_added", "reaction_removed").replace("1736207085.539649", "1736207140.000100");
    let outcome = house.knock(&signed("/slack/events", removed)).unwrap().unwrap().1;
    let Detail::ReactionChanged(changed) = only_event(&outcome) else { panic!("{outcome:?}") };
    assert_eq!((changed.message_id.as_str(), changed.added), ("msg_0123456789abcdef0123456789abcdef", false));
    // Our own, and one to a file:
    let own = text.replace("\"user\": \"U0ANN0001\"", "\"user\": \"U0HUBBOT1\"");
    assert_eq!(house.knock(&signed("/slack/events", own)).unwrap().unwrap().1, Outcome::nothing());
    let file = text.replace("\"ts\": \"1736207085.539649\"", "\"file\": \"F1\"");
    assert_eq!(house.knock(&signed("/slack/events", file)).unwrap(), None);
}

#[test]
fn the_longest_text_fits_an_event_and_no_refusal_quotes_it() {
    let text = String::from_utf8(fixture("message.json").to_vec()).unwrap();
    for (what, count) in [("\\u0001", 300_000), ("\\\"", 100_000), ("é", 150_000), ("&lt;", 60_000)] {
        let house = House::new();
        let long = text.replace("Fish &amp; chips at 7 &lt;sharp&gt;?", &format!("x{}", what.repeat(count)));
        let outcome = house.knock(&signed("/slack/events", long)).unwrap().unwrap().1;
        let received = &outcome.events[0];
        received.encode().unwrap_or_else(|error| panic!("{what}: {error}"));
        let effect = only_effect(&house.event("slack.intake", received)).clone();
        let settled = house.settle(&effect, &Settlement::GaveUp(Failure::retry("")));
        settled.events[0].encode().unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    let secret = text.replace("\"ts\": \"1736207085.539649\"", "\"ts\": \"my secret\"");
    let error = House::new().admit(&signed("/slack/events", secret)).unwrap_err().to_string();
    assert!(error.contains("not an event of Slack's") && !error.contains("secret"), "{error}");
}

#[test]
fn two_decisions_about_one_message_agree() {
    let house = House::knowing(&[("U0ANN0001", "Ann")]);
    let before = house.store.snapshot();
    let request = event_of("message");
    let (id, one) = house.knock(&request).unwrap().unwrap();
    let arrival = Arrival { listener: "slack.door", id: &id, now: NOW, what: What::Request(&request) };
    let two = block_on(house.slack.decide(&arrival, &before)).unwrap();
    assert_eq!(one, two);
    house.store.commit(&two.writes).expect("whichever is first, the other changes nothing");
}
