//! Stories: what is said on one surface is read on the others, once, in order, and not where it was said.

use switchboard_stories::{ANN, BOB, House, LOBBY};

#[tokio::test]
async fn a_text_reaches_slack_and_the_answer_reaches_the_phone() {
    let house = House::open(LOBBY).await;
    assert_eq!(house.text(ANN, "JOIN lobby Ann").await, 200);
    house.hub.quiet().await;
    assert_eq!(house.text(ANN, "hello <!channel> & all").await, 200);
    house.expect_shown("C0LOBBY", &["Ann (SMS): hello <!channel> & all"]).await;
    let raw = house.channel("C0LOBBY").await;
    assert_eq!(raw[0]["text"], "hello &lt;!channel&gt; &amp; all", "nobody is pinged");

    house.say("C0LOBBY", "U0BOB", "hi <@U0ANN> &amp; welcome").await;
    let joined = "You are in Lobby. Everyone there sees what you text. To leave, text LEAVE lobby. For no more \
                  texts at all, text STOP.";
    house.expect_received(ANN, &[joined, "Bob: hi @Ann & welcome"]).await;
    house.close().await;
}

#[tokio::test]
async fn a_message_reaches_every_other_phone_of_the_room_and_not_its_own() {
    let house = House::open(LOBBY).await;
    for (phone, name) in [(ANN, "Ann"), (BOB, "Bob")] {
        house.text(phone, &format!("JOIN lobby {name}")).await;
    }
    house.hub.quiet().await;
    let before = house.received(ANN).await.len();
    house.text(ANN, "one").await;
    house.in_turn().await;
    house.text(ANN, "two").await;
    house.in_turn().await;
    house.text(BOB, "three").await;
    house.expect_shown("C0LOBBY", &["Ann (SMS): one", "Ann (SMS): two", "Bob (SMS): three"]).await;
    house.hub.quiet().await;
    assert_eq!(house.received(ANN).await[before..], ["Bob: three"]);
    assert_eq!(house.received(BOB).await[before..], ["Ann: one", "Ann: two"]);
    house.close().await;
}
