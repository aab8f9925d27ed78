//! Files that do not come, and files that come late.

use super::files::{API_FILE, JPEG, PNG, effect, joined, ok, shown, with_files};
use super::*;

/// The host gives the fetching up: what is posted.
fn give_up(house: &House, effect: &Effect) -> Outcome {
    let gave_up = Settlement::GaveUp(Failure::retry("a file's host answered 500"));
    let outcome = house.settle(effect, &gave_up);
    assert!(outcome.events.is_empty(), "what is here is not known yet: {outcome:?}");
    let gather = &outcome.effects[0];
    let (report, requests) = house.act(gather, Vec::new());
    assert!(requests.is_empty(), "nothing more is asked of Twilio");
    house.settle(gather, &Settlement::Done(report.unwrap()))
}

#[test]
fn a_message_whose_files_never_come_is_posted_with_notes() {
    let house = joined(&environment());
    let effect = effect(&house, &with_files(&[(API_FILE, "image/jpeg"), ("", "video/mp4")]));
    let notes =
        ["file-1: it could not be fetched from Twilio", "file-2: it could not be fetched from Twilio"];
    let outcome = give_up(&house, &effect);
    assert_eq!(outcome.events[0].detail.kind(), "MessagePosted");
    assert_eq!(shown(&outcome.events[0]), ("look".to_owned(), notes.map(str::to_owned).to_vec()));

    // Not even the store of files answers.
    let house = joined(&environment());
    let effect = house.knock(&with_files(&[(API_FILE, "image/jpeg"), ("", "video/mp4")])).unwrap();
    let effect = house.hear("sms.intake", &effect.events[0]).remove(0).effects.remove(0);
    let gave_up = Settlement::GaveUp(Failure::retry("down"));
    let gather = house.settle(&effect, &gave_up).effects.remove(0);
    assert_eq!(shown(&house.settle(&gather, &gave_up).events[0]).1, notes);
}

#[test]
fn a_file_that_never_comes_costs_no_other_file_of_its_message() {
    let house = joined(&environment());
    let files = [(API_FILE, "image/jpeg"), (API_FILE, "image/jpeg"), (API_FILE, "image/png")];
    let effect = effect(&house, &with_files(&files));
    let ill = || ScriptedHttp::answer(500, &[], "");
    let (report, requests) = house.act(&effect, vec![ok(JPEG), ill(), ok(PNG)]);
    assert_eq!((report.unwrap_err().kind(), requests.len()), ("retry", 3));
    let (report, requests) = house.act(&effect, vec![ill()]);
    assert_eq!(
        (report.unwrap_err().kind(), requests.len()),
        ("retry", 1),
        "what is here is not asked for again"
    );
    let outcome = give_up(&house, &effect);
    let files = [
        "image-1.jpg image/jpeg 13",
        "file-2: it could not be fetched from Twilio",
        "image-3.png image/png 16",
    ];
    assert_eq!(shown(&outcome.events[0]).1, files);
}

#[test]
fn what_comes_after_its_dead_letter_was_redriven_is_a_revision_of_the_message() {
    let house = joined(&environment());
    let effect = effect(&house, &with_files(&[(API_FILE, "image/jpeg"), (API_FILE, "image/png")]));
    let ill = || ScriptedHttp::answer(500, &[], "");
    house.act(&effect, vec![ok(JPEG), ill()]).0.unwrap_err();
    let posted = give_up(&house, &effect).events.remove(0);

    let again = house.settle(&effect, &Settlement::GaveUp(Failure::retry("still ill")));
    assert!(again.events.is_empty() && again.effects.is_empty(), "redriven in vain: nothing is new");

    let (report, _) = house.act(&effect, vec![ok(PNG)]);
    let report = Settlement::Done(report.unwrap());
    let outcome = house.settle(&effect, &report);
    let [edited] = outcome.events.as_slice() else { panic!("{outcome:?}") };
    assert_eq!(edited.detail.kind(), "MessageEdited");
    assert_eq!(shown(edited).1, ["image-1.jpg image/jpeg 13", "image-2.png image/png 16"]);
    let message = |event: &Event| match &event.detail {
        Detail::MessagePosted(said) | Detail::MessageEdited(said) => said.message.clone(),
        other => panic!("{other:?}"),
    };
    let (first, then) = (message(&posted), message(edited));
    assert_eq!((first.id, first.sender), (then.id, then.sender), "the same message");
    assert!(then.revision > first.revision && edited.id != posted.id);
    assert!(house.settle(&effect, &report).events.is_empty(), "once");
}
