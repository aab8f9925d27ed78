//! The pages in a real browser, against the real program with its own sandbox, without a way out of this machine where
//! it gives a network namespace (`switchboard_stories::alone` says which). What each story tells step by step is in
//! `tests/browser/stories`; a page that asks another host, breaks its policy, or that axe finds fault with, fails it.

use serde_json::json;
use switchboard_stories::Hub;
use switchboard_stories::alone::alone;
use switchboard_stories::browser::tell;
use tokio::sync::Mutex;

/// What moderation stops in these stories.
const CONFIGURATION: &str = "[rooms.lobby]\ntitle = \"Lobby\"\nslack_channel = \"C0LOBBY\"\nsms = \"open\"\n\
     [rooms.garden]\ntitle = \"Garden\"\nslack_channel = \"C0OPS\"\n\
     [sms]\nsegments_per_second = 0\n[moderation]\nblocked_words = [\"forbiddenword\"]\n";

/// One browser at a time: two cores carry no more.
static BROWSER: Mutex<()> = Mutex::const_new(());

async fn told(test: &str, story: &str) {
    told_with(CONFIGURATION, test, story).await;
}

async fn told_with(configuration: &str, test: &str, story: &str) {
    // Who runs inside the namespace has been given its turn outside.
    let _one = BROWSER.lock().await;
    alone(test, async {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("switchboard.toml"), configuration).expect("a configuration");
        let mut hub = Hub::start_alone(directory.path()).await;
        let fast = json!({ "twilio": "off", "slack": "off" });
        assert_eq!(hub.order("POST", "/sandbox/limits", fast).await.0, 200);
        tell(story, &hub.base()).await;
        hub.stop().await;
    })
    .await;
}

#[tokio::test]
async fn two_people_chat_and_all_that_they_do_travels() {
    told("two_people_chat_and_all_that_they_do_travels", "two_people").await;
}

#[tokio::test]
async fn a_message_travels_everywhere_and_its_writer_sees_where_it_has_got_to() {
    told("a_message_travels_everywhere_and_its_writer_sees_where_it_has_got_to", "everywhere").await;
}

#[tokio::test]
async fn a_cut_line_is_told_what_is_written_is_kept_and_nothing_is_lost_or_doubled() {
    told("a_cut_line_is_told_what_is_written_is_kept_and_nothing_is_lost_or_doubled", "cut").await;
}

#[tokio::test]
async fn what_is_written_to_deceive_is_text_and_what_is_stopped_is_its_writers_alone() {
    told("what_is_written_to_deceive_is_text_and_what_is_stopped_is_its_writers_alone", "hostile").await;
}

#[tokio::test]
async fn a_newcomer_sees_one_message_travel_everywhere_within_a_minute() {
    told("a_newcomer_sees_one_message_travel_everywhere_within_a_minute", "tour").await;
}

#[tokio::test]
async fn a_long_room_is_scrolled_without_a_jump_and_the_page_stays_small() {
    // A room that leads nowhere: what is said of deliveries would be most of the work.
    let configuration = "[rooms.attic]\ntitle = \"Attic\"\nsms = \"open\"\n";
    let test = "a_long_room_is_scrolled_without_a_jump_and_the_page_stays_small";
    told_with(configuration, test, "long_room").await;
}

#[tokio::test]
async fn every_page_is_fit_to_be_seen_wide_and_narrow_light_and_dark() {
    told("every_page_is_fit_to_be_seen_wide_and_narrow_light_and_dark", "looks").await;
}
