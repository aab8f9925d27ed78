//! Faults, limits, behaviour; what was called and sent; starting anew.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{done, read, refuse};
use crate::faults::Fault;
use crate::house::{House, locked};
use crate::notices::Notices;
use crate::settings::{Behaviour, SlackLimits, SlackSecrets, TwilioLimits};
use crate::slack::Workspace;
use crate::twilio::Texts;

pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new()
        .route("/", delete(reset))
        .route("/reset", post(reset))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/limits", get(limits).post(set_limits))
        .route("/behaviour", get(behaviour).post(set_behaviour))
        .route("/calls", get(calls))
        .route("/calls/count", get(count))
        .route("/webhooks", get(webhooks))
}

async fn faults(State(house): State<Arc<House>>) -> Response {
    done(&json!({ "faults": house.faults.list() }))
}

async fn add_fault(State(house): State<Arc<House>>, request: Request) -> Response {
    let fault: Fault = match read(request).await {
        Ok(fault) => fault,
        Err(refusal) => return refusal,
    };
    if let Some(complaint) = fault.complaint() {
        return refuse(StatusCode::BAD_REQUEST, complaint);
    }
    house.faults.add(fault);
    faults(State(house)).await
}

#[derive(Deserialize)]
struct OfProvider {
    provider: Option<String>,
}

async fn clear_faults(State(house): State<Arc<House>>, Query(of): Query<OfProvider>) -> Response {
    done(&json!({ "cleared": house.faults.clear(of.provider.as_deref()) }))
}

async fn limits(State(house): State<Arc<House>>) -> Response {
    let limits = house.limits();
    let said = |limits: Option<Value>| limits.unwrap_or_else(|| json!("off"));
    done(&json!({
        "twilio": said(limits.twilio.as_ref().map(|limits| json!(limits))),
        "slack": said(limits.slack.as_ref().map(|limits| json!(limits))),
    }))
}

/// `"off"`, `"real"` or an object; what is absent stays.
async fn set_limits(State(house): State<Arc<House>>, request: Request) -> Response {
    let order: Value = match read(request).await {
        Ok(order) => order,
        Err(refusal) => return refusal,
    };
    let mut limits = (*house.limits()).clone();
    for (provider, value) in order.as_object().into_iter().flatten() {
        let value = if value == "real" { json!({}) } else { value.clone() };
        let off = value == "off";
        let set = match provider.as_str() {
            "twilio" => read_limit::<TwilioLimits>(off, value).map(|set| limits.twilio = set),
            "slack" => read_limit::<SlackLimits>(off, value).map(|set| limits.slack = set),
            _ => return refuse(StatusCode::BAD_REQUEST, "limits are set for \"twilio\" and \"slack\""),
        };
        if set.is_err() {
            return refuse(
                StatusCode::BAD_REQUEST,
                "a limit is \"off\", \"real\" or an object of its numbers",
            );
        }
    }
    *locked(&house.limits) = Arc::new(limits);
    house.buckets.clear();
    self::limits(State(house)).await
}

fn read_limit<T: DeserializeOwned>(off: bool, value: Value) -> Result<Option<T>, serde_json::Error> {
    if off { Ok(None) } else { serde_json::from_value(value).map(Some) }
}

async fn behaviour(State(house): State<Arc<House>>) -> Response {
    done(&json!(*house.behaviour()))
}

/// What is absent stays.
async fn set_behaviour(State(house): State<Arc<House>>, request: Request) -> Response {
    let order: Value = match read(request).await {
        Ok(order) => order,
        Err(refusal) => return refusal,
    };
    let mut merged = json!(*house.behaviour());
    for (name, value) in order.as_object().into_iter().flatten() {
        merged[name.as_str()] = value.clone();
    }
    match serde_json::from_value::<Behaviour>(merged) {
        Ok(behaviour) => *locked(&house.behaviour) = Arc::new(behaviour),
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("no such behaviour: {error}")),
    }
    self::behaviour(State(house)).await
}

#[derive(Deserialize)]
struct WhichCalls {
    provider: Option<String>,
    method: Option<String>,
    containing: Option<String>,
    limit: Option<usize>,
}

async fn calls(State(house): State<Arc<House>>, Query(which): Query<WhichCalls>) -> Response {
    let WhichCalls { provider, method, containing, limit } = which;
    let limit = limit.unwrap_or(200);
    done(&house.calls.show(provider.as_deref(), method.as_deref(), containing.as_deref(), limit))
}

#[derive(Deserialize)]
struct WhichCount {
    method: String,
    key: Option<String>,
}

async fn count(State(house): State<Arc<House>>, Query(which): Query<WhichCount>) -> Response {
    let (count, exact) = house.calls.count(&which.method, which.key.as_deref());
    done(&json!({ "calls": count.calls, "effects": count.effects, "exact": exact }))
}

#[derive(Deserialize)]
struct WhichWebhooks {
    kind: Option<String>,
    id: Option<String>,
    limit: Option<usize>,
}

async fn webhooks(State(house): State<Arc<House>>, Query(which): Query<WhichWebhooks>) -> Response {
    let mut shown =
        house.webhooks.show(which.kind.as_deref(), which.id.as_deref(), which.limit.unwrap_or(200));
    shown["echoes_left_out"] = json!(house.echoes_left_out.load(Ordering::Relaxed));
    shown["under_way"] = json!(house.tasks.living());
    done(&shown)
}

/// Forgets everything and goes back to the settings. Tasks under way end when they miss their message.
async fn reset(State(house): State<Arc<House>>) -> Response {
    house.faults.clear(None);
    house.calls.clear();
    house.webhooks.clear();
    house.echoes_left_out.store(0, Ordering::Relaxed);
    house.buckets.clear();
    *locked(&house.behaviour) = Arc::new(house.settings.behaviour.clone());
    *locked(&house.limits) = Arc::new(house.settings.limits.clone());
    *locked(&house.slack_secrets) = Arc::new(SlackSecrets::of(&house.settings.slack));
    {
        let mut texts = locked(&house.texts);
        let under_way = texts.under_way;
        *texts = Texts::new();
        texts.under_way = under_way;
    }
    *locked(&house.workspace) = Workspace::new(&house.settings.slack);
    *locked(&house.notices) = Notices::default();
    house.changes.send_modify(|count| *count += 1);
    match house.compact(true) {
        Ok(()) => done(&json!({ "reset": true })),
        Err(error) => {
            tracing::error!(%error, "the sandbox's store could not be written anew");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "the store could not be written")
        }
    }
}
