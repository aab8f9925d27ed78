//! What is changed or withdrawn: when it stands there, when it still waits, and when it never stood.

use switchboard_core::event::{Change, DeliveryStatus};
use switchboard_core::{HttpError, Message};

use super::outbound::{TS, changed, posted, sms};
use super::*;

#[test]
fn an_edit_and_a_deletion_find_the_post() {
    for change in [Change::Deleted, Change::Retracted] {
        let house = House::new();
        posted(&house, &sms("hello"));
        let outcome = house.event("slack.out", &changed(2, Change::Edited, &sms("hello & <you>")));
        let http = ScriptedHttp::new([ok(r#"{"ok":true}"#)]);
        assert_eq!(house.carry_out(only_effect(&outcome), &http), Outcome::nothing());
        assert_eq!(http.sent()[0].line, "POST https://slack.test/api/chat.update");
        let body = serde_json::json!({ "channel": "C0LOBBY01", "ts": TS, "text": "hello &amp; &lt;you&gt;",
            "parse": "none", "link_names": false });
        assert_eq!(json(&http.sent()[0].body), body);

        let outcome = house.event("slack.out", &changed(3, change, &sms("hello")));
        let http = ScriptedHttp::new([ok(r#"{"ok":true}"#)]);
        house.carry_out(only_effect(&outcome), &http);
        assert_eq!(http.sent()[0].line, "POST https://slack.test/api/chat.delete");
        assert_eq!(json(&http.sent()[0].body), serde_json::json!({ "channel": "C0LOBBY01", "ts": TS }));
        let again = house.event("slack.out", &changed(4, change, &sms("hello")));
        assert_eq!(again, Outcome::nothing(), "it is gone");
        let late = house.event("slack.out", &changed(5, Change::Edited, &sms("hello again")));
        assert_eq!(late, Outcome::nothing(), "what is gone is not edited");
    }
}

#[test]
fn what_was_withdrawn_before_it_stood_is_not_posted_by_a_redrive() {
    let house = House::new();
    let outcome = house.event("slack.out", &changed(1, Change::Posted, &sms("oh no")));
    let effect = only_effect(&outcome).clone();
    house.settle(&effect, &Settlement::GaveUp(Failure::refuse(404, "not in the channel")));
    assert_eq!(house.event("slack.out", &changed(2, Change::Deleted, &sms("oh no"))).effects, []);
    let http = ScriptedHttp::new([]);
    let settled = house.carry_out(&effect, &http);
    let Detail::DeliveryReported(told) = only_event(&settled) else { panic!("{settled:?}") };
    assert_eq!(told.reason.as_deref(), Some("it was withdrawn before it was posted"));
    assert_eq!((settled.effects, http.sent()), (vec![], vec![]));
}

#[test]
fn what_is_withdrawn_while_its_post_waits_is_never_posted() {
    for change in [Change::Deleted, Change::Retracted] {
        let house = House::new();
        let post = only_effect(&house.event("slack.out", &changed(1, Change::Posted, &sms("oh no")))).clone();
        let down = ScriptedHttp::new([Err(HttpError::NotSent("refused".into()))]);
        assert!(matches!(house.attempt(&post, &down), Err(Failure::Retry { .. })));
        // The room's lane waits behind the post, and the withdrawal with it; the other listener hears of it at once.
        for _ in ["once", "and again"] {
            let early = house.event("slack.intake", &changed(2, change, &sms("oh no")));
            assert_eq!((early.events, early.effects), (vec![], vec![]));
        }
        let permit = block_on(house.slack.permit(&post, NOW, &house.store)).unwrap().permit;
        let Permit::Needless(report) = permit else { panic!("{permit:?}") };
        let settled = house.settle(&post, &Settlement::Done(report));
        let Detail::DeliveryReported(told) = only_event(&settled) else { panic!("{settled:?}") };
        assert_eq!(told.status, DeliveryStatus::Failed);
        assert_eq!(told.reason.as_deref(), Some("it was withdrawn before it was posted"));
        let late = house.event("slack.out", &changed(2, change, &sms("oh no")));
        assert_eq!(late.effects, [], "there is nothing to take away");
    }
}

#[test]
fn what_was_posted_as_it_was_withdrawn_is_found_and_taken_away() {
    let house = House::new();
    let post = only_effect(&house.event("slack.out", &changed(1, Change::Posted, &sms("oh no")))).clone();
    house.event("slack.intake", &changed(2, Change::Deleted, &sms("oh no")));
    // An attempt that was under way has an end after all, or one is found.
    let done = json(&format!(r#"{{"did":"posted","ts":"{TS}","own":{{}}}}"#));
    house.settle(&post, &Settlement::Done(Report::new(&done).unwrap()));
    let outcome = house.event("slack.out", &changed(2, Change::Deleted, &sms("oh no")));
    let http = ScriptedHttp::new([ok(r#"{"ok":true}"#)]);
    house.carry_out(only_effect(&outcome), &http);
    assert_eq!(http.sent()[0].line, "POST https://slack.test/api/chat.delete");
}

#[test]
fn only_what_may_still_wait_is_remembered_as_withdrawn() {
    let house = House::new();
    posted(&house, &sms("hello"));
    let elsewhere = Message { room: "attic".parse().unwrap(), ..sms("hello") };
    for (change, message) in
        [(Change::Deleted, sms("hello")), (Change::Edited, sms("new")), (Change::Deleted, elsewhere)]
    {
        let outcome = house.event("slack.intake", &changed(2, change, &message));
        assert_eq!(outcome, Outcome::nothing(), "{change:?} {message:?}");
    }
}
