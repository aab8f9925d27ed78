//! Topics, and what was published to them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::done;
use crate::house::{House, locked};

pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new().route("/notices", get(topics)).route("/notices/{topic}", get(topic))
}

async fn topics(State(house): State<Arc<House>>) -> Response {
    let notices = locked(&house.notices);
    let topics: Vec<Value> =
        notices.topics().map(|(topic, count)| json!({ "topic": topic, "notices": count })).collect();
    done(&json!({ "topics": topics }))
}

async fn topic(State(house): State<Arc<House>>, Path(topic): Path<String>) -> Response {
    let notices = locked(&house.notices);
    let received: Vec<_> = notices.of(&topic).collect();
    done(&json!({ "topic": topic, "received": received }))
}
