//! The documents that programs read, judged by validators that are not ours.

use switchboard_stories::clients::{node, scripts};
use switchboard_stories::{House, LOBBY};

#[tokio::test]
async fn the_documents_for_programs_hold_before_outside_validators() {
    let house = House::open_here(LOBBY).await;
    let directory = tempfile::tempdir().expect("a directory");
    let mut files = Vec::new();
    for name in ["openapi.json", "asyncapi.json"] {
        let response = reqwest::get(format!("{}/api/{name}", house.hub.base())).await.expect("an answer");
        let file = directory.path().join(name);
        std::fs::write(&file, response.text().await.expect("a document")).expect("a file");
        files.push(file.to_str().expect("a path").to_owned());
    }
    node(&scripts().join("described.mjs"), &[&files[0], &files[1]]).await;
    house.close().await;
}
