//! Phones and the carrier.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{done, read, refuse, told};
use crate::house::{House, locked};
use crate::twilio::{Journey, Text, text_the_hub};

pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new()
        .route("/phone", get(phones))
        .route("/phone/{number}", get(phone))
        .route("/phone/{number}/text", post(text))
        .route("/twilio/carrier", post(carrier))
}

async fn phones(State(house): State<Arc<House>>) -> Response {
    let texts = locked(&house.texts);
    let mut phones: Vec<Value> =
        texts.phones().map(|(number, messages)| json!({ "number": number, "messages": messages })).collect();
    phones.sort_by_key(|phone| phone["number"].to_string());
    let numbers = &house.settings.twilio.numbers;
    done(&json!({ "phones": phones, "numbers": numbers }))
}

/// A plus in a path may come decoded to a blank.
fn e164(number: &str) -> String {
    let number = number.trim();
    if number.starts_with('+') { number.to_owned() } else { format!("+{number}") }
}

async fn text(State(house): State<Arc<House>>, Path(number): Path<String>, request: Request) -> Response {
    match read(request).await {
        Ok(sent) => told(text_the_hub(&house, &e164(&number), sent).await),
        Err(refusal) => refusal,
    }
}

async fn phone(State(house): State<Arc<House>>, Path(number): Path<String>) -> Response {
    let number = e164(&number);
    let texts = locked(&house.texts);
    let (mut received, mut sent) = (Vec::new(), Vec::new());
    for text in texts.of_phone(&number) {
        let list = if text.is_inbound() { &mut sent } else { &mut received };
        list.push(seen(text));
    }
    let opted_out_of = texts.opted_out_senders(&number);
    done(&json!({ "number": number, "received": received, "sent": sent, "opted_out_of": opted_out_of }))
}

fn seen(text: &Text) -> Value {
    json!({
        "sid": text.sid, "from": text.from, "to": text.to, "text": text.body, "status": text.status,
        "error_code": text.error_code, "segments": text.segments, "media": text.fetched,
        "media_urls": text.media_urls, "media_sids": text.media_sids, "automatic": text.automatic,
        "at_ms": text.created_ms, "updated_ms": text.updated_ms,
    })
}

/// How texts fare from now on: all, or those to the phone named `to`.
async fn carrier(State(house): State<Arc<House>>, request: Request) -> Response {
    let mut order: Map<String, Value> = match read(request).await {
        Ok(order) => order,
        Err(refusal) => return refusal,
    };
    let to = order.remove("to").and_then(|to| to.as_str().map(str::to_owned));
    let journey: Journey = match serde_json::from_value(Value::Object(order)) {
        Ok(journey) => journey,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("no such journey: {error}")),
    };
    if let Some(complaint) = journey.complaint() {
        return refuse(StatusCode::BAD_REQUEST, complaint);
    }
    let set = json!({ "to": to, "journey": journey });
    let mut texts = locked(&house.texts);
    match to {
        Some(to) => drop(texts.journeys.insert(to, journey)),
        None => texts.usual_journey = journey,
    }
    done(&set)
}
