//! Stories: who hears what can be changed while the hub runs.

use std::path::Path;

use serde_json::{Value, json};
use switchboard_stories::{ANN, House, LOBBY, until};

fn change(file: &Path, how: impl FnOnce(&mut Value)) {
    let mut rule: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    how(&mut rule);
    std::fs::write(file, rule.to_string()).unwrap();
}

async fn logged(house: &House, words: &str, times: usize) {
    until(words, || async { house.hub.log().matches(words).count() == times }).await;
}

#[tokio::test]
async fn a_changed_wiring_is_taken_up_and_a_broken_one_is_not() {
    const TAKEN: &str = "the wiring has changed rules";
    const REFUSED: &str = "the wiring has changed and is refused";
    let house = House::open_impatient(LOBBY, "slack.out", 20).await;
    let file = house.directory().join("wiring/slack.out.json");
    let whole = std::fs::read_to_string(&file).unwrap();
    house.text(ANN, "JOIN lobby Ann").await;
    house.text(ANN, "one").await;
    house.expect_shown("C0LOBBY", &["Ann (SMS): one"]).await;

    change(&file, |rule| rule["pattern"]["detail"] = json!({"lane": ["another"]}));
    logged(&house, TAKEN, 1).await;
    house.text(ANN, "two").await;
    house.hub.quiet().await;

    // Half a file; a kind of event that there is not; a listener that nobody has; one that is missing.
    std::fs::write(&file, &whole[..40]).unwrap();
    logged(&house, REFUSED, 1).await;
    std::fs::write(&file, whole.replace("RoomChanged", "RoomChangd")).unwrap();
    logged(&house, "asks for the detail-type \"RoomChangd\", which no event has", 1).await;
    std::fs::write(&file, &whole).unwrap();
    let stranger = house.directory().join("wiring/nobody.out.json");
    std::fs::write(&stranger, whole.replace("slack.out", "nobody.out")).unwrap();
    logged(&house, REFUSED, 3).await;
    std::fs::remove_file(&stranger).unwrap();
    std::fs::remove_file(&file).unwrap();
    logged(&house, REFUSED, 4).await;
    house.text(ANN, "three").await;
    house.hub.quiet().await;
    house.expect_shown("C0LOBBY", &["Ann (SMS): one"]).await;

    std::fs::write(&file, &whole).unwrap();
    logged(&house, TAKEN, 2).await;
    house.text(ANN, "four").await;
    house.expect_shown("C0LOBBY", &["Ann (SMS): one", "Ann (SMS): four"]).await;

    // Out of order and in order again: the lanes are made anew, and nothing is said twice.
    change(&file, |rule| rule["ordered"] = json!(false));
    logged(&house, TAKEN, 3).await;
    house.text(ANN, "five").await;
    house.expect_shown("C0LOBBY", &["Ann (SMS): one", "Ann (SMS): four", "Ann (SMS): five"]).await;
    std::fs::write(&file, &whole).unwrap();
    logged(&house, TAKEN, 4).await;
    house.text(ANN, "six").await;
    let all = ["Ann (SMS): one", "Ann (SMS): four", "Ann (SMS): five", "Ann (SMS): six"];
    house.expect_shown("C0LOBBY", &all).await;
    house.close().await;
}
