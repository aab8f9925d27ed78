//! Files that go out: as links that Twilio fetches.

use switchboard_core::{Attachment, BlobId, Links, Secret};

use super::out::{attempt, fields, names, sent};
use super::*;

fn with_files(files: &[(&str, u64, bool)]) -> Event {
    let mut event = request(ANN, "Ada: look", 1);
    let Detail::SmsRequested(requested) = &mut event.detail else { panic!() };
    for (index, (content_type, size, stored)) in files.iter().enumerate() {
        requested.attachments.push(Attachment {
            name: format!("file-{index}"),
            content_type: (*content_type).into(),
            size: *size,
            blob: stored.then(|| BlobId::from_cause(&[&index.to_string()])),
            note: (!stored).then(|| "it was empty".to_owned()),
        });
    }
    event
}

#[test]
fn files_go_as_signed_links_and_what_cannot_go_is_named() {
    let house = House::new();
    let event = with_files(&[
        ("image/png", 4_000_000, true),
        ("image/jpeg", 2_000_000, true),
        ("application/zip", 1, true),
        ("image/gif", 0, false),
    ]);
    let request = sent(&house, &event);
    assert_eq!(names(&request), ["To", "From", "Body", "MediaUrl", "StatusCallback"]);
    let fields = fields(&request);
    assert_eq!(
        fields[2].1,
        "Ada: look\n[file-1: too large for phones]\n[file-2: a kind of file that phones do not take]\n\
         [file-3: it was empty]"
    );
    check_link(&house, &fields[3].1);
}

/// A link to the first file, good for a day and a little from now on.
fn check_link(house: &House, link: &str) {
    let link: url::Url = link.parse().unwrap();
    let query: std::collections::HashMap<_, _> = link.query_pairs().into_owned().collect();
    let blob = BlobId::from_cause(&["0"]);
    assert_eq!(link.path(), format!("/media/{blob}"));
    let allowed = |hours: u64| {
        let then = house.now.plus(std::time::Duration::from_secs(hours * 3600));
        house.sms.config.links.media_allowed(&blob, &query["until"], &query["signature"], then)
    };
    assert!(allowed(4) && allowed(27) && !allowed(29));
}

#[test]
fn a_text_that_is_redriven_days_later_has_links_that_are_good_then() {
    let mut house = House::new();
    let media = |request: &SentRequest| -> Vec<String> {
        fields(request).into_iter().filter(|(name, _)| name == "MediaUrl").map(|(_, url)| url).collect()
    };
    let effect = house.effect(&with_files(&[("image/png", 10, true)]));
    house.pass(5 * 86_400);
    let links = media(&attempt(&house, &effect));
    assert_eq!(links.len(), 1);
    check_link(&house, &links[0]);

    // As they were stored before: with links, and later with the files of these links too.
    let stored: serde_json::Value = serde_json::from_str(&effect.body).unwrap();
    let older = |keep_files: bool| {
        let mut body = stored.clone();
        let text = &mut body["SendText"];
        text["media_urls"] = serde_json::json!(["https://hub.example/media/old"]);
        if !keep_files {
            text.as_object_mut().unwrap().remove("files");
        }
        Effect { body: body.to_string(), ..effect.clone() }
    };
    assert_eq!(media(&attempt(&house, &older(false))), ["https://hub.example/media/old"]);
    let links = media(&attempt(&house, &older(true)));
    assert_eq!(links.len(), 1);
    check_link(&house, &links[0]);
}

#[test]
fn a_hub_that_twilio_cannot_reach_gives_it_no_links() {
    let mut settings = Settings::for_tests(ROOMS, &environment());
    settings.links = Links::new("http://192.168.1.5:8080".parse().unwrap(), Secret::new("key"));
    let mut house = House::new();
    house.sms = Sms::new(&settings).unwrap();
    let request = sent(&house, &with_files(&[("image/png", 10, true)]));
    assert_eq!(names(&request), ["To", "From", "Body"]);
    assert_eq!(fields(&request)[2].1, "Ada: look\n[file-0: only in the other apps]");
}
