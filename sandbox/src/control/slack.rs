//! People and channels of the workspace.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{done, read, told};
use crate::house::{House, locked};
use crate::refusal::Refusal;
use crate::settings::SlackSecrets;
use crate::slack;
use crate::store::Entry;

pub(crate) fn routes() -> Router<Arc<House>> {
    Router::new()
        .route("/slack/channels", get(channels).post(add_channel))
        .route("/slack/users", get(users).post(add_user))
        .route("/slack/channels/{id}", get(channel))
        .route("/slack/channels/{id}/say", post(say))
        .route("/slack/channels/{id}/edit", post(edit))
        .route("/slack/channels/{id}/delete", post(delete))
        .route("/slack/channels/{id}/react", post(react))
        .route("/slack/command", post(command))
        .route("/slack/press", post(press))
        .route("/slack/verify", post(verify))
        .route("/slack/secrets", post(replace_secrets))
}

async fn with<T: DeserializeOwned, F: Future<Output = Result<Value, Refusal>>>(
    request: Request,
    carry_out: impl FnOnce(T) -> F,
) -> Response {
    match read(request).await {
        Ok(order) => told(carry_out(order).await),
        Err(refusal) => refusal,
    }
}

async fn say(State(house): State<Arc<House>>, Path(id): Path<String>, request: Request) -> Response {
    with(request, |order| slack::say(&house, &id, order)).await
}

async fn edit(State(house): State<Arc<House>>, Path(id): Path<String>, request: Request) -> Response {
    with(request, |order| slack::edit(&house, &id, order)).await
}

async fn delete(State(house): State<Arc<House>>, Path(id): Path<String>, request: Request) -> Response {
    with(request, |order| slack::delete(&house, &id, order)).await
}

async fn react(State(house): State<Arc<House>>, Path(id): Path<String>, request: Request) -> Response {
    with(request, |order| slack::react(&house, &id, order)).await
}

async fn command(State(house): State<Arc<House>>, request: Request) -> Response {
    with(request, |order| slack::slash_command(&house, order)).await
}

async fn press(State(house): State<Arc<House>>, request: Request) -> Response {
    with(request, |order| slack::press(&house, order)).await
}

async fn verify(State(house): State<Arc<House>>) -> Response {
    done(&slack::url_verification(&house).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSecrets {
    bot_token: Option<String>,
    signing_secret: Option<String>,
}

/// What is absent stays.
async fn replace_secrets(State(house): State<Arc<House>>, request: Request) -> Response {
    with(request, |new: NewSecrets| async move {
        let mut secrets = locked(&house.slack_secrets);
        let changed = SlackSecrets {
            bot_token: new.bot_token.unwrap_or_else(|| secrets.bot_token.clone()),
            signing_secret: new.signing_secret.unwrap_or_else(|| secrets.signing_secret.clone()),
        };
        if changed.bot_token.is_empty() || changed.signing_secret.is_empty() {
            return Err("a secret is not empty".into());
        }
        *secrets = Arc::new(changed);
        Ok(json!({ "replaced": true }))
    })
    .await
}

async fn channels(State(house): State<Arc<House>>) -> Response {
    let workspace = locked(&house.workspace);
    let mut channels: Vec<Value> = workspace
        .channels()
        .map(|channel| json!({ "id": channel.id, "name": channel.name, "messages": channel.message_count() }))
        .collect();
    channels.sort_by_key(|channel| channel["id"].to_string());
    done(&json!({ "channels": channels }))
}

async fn users(State(house): State<Arc<House>>) -> Response {
    let workspace = locked(&house.workspace);
    let users: Vec<Value> = workspace
        .users
        .iter()
        .map(|(id, user)| json!({ "id": id, "name": user.name, "display_name": user.display_name, "bot": user.is_bot }))
        .collect();
    done(&json!({ "users": users }))
}

#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
    display_name: Option<String>,
}

async fn add_channel(State(house): State<Arc<House>>, request: Request) -> Response {
    with(request, |named: Named| async move {
        let mut workspace = locked(&house.workspace);
        if !named.id.starts_with(['C', 'G']) {
            return Err("a channel's id begins with C or G".into());
        }
        house.keep(&Entry::Channel { id: (&named.id).into(), name: (&named.name).into() });
        workspace.add_channel(&named.id, &named.name);
        Ok(json!({ "id": named.id, "name": named.name }))
    })
    .await
}

async fn add_user(State(house): State<Arc<House>>, request: Request) -> Response {
    with(request, |named: Named| async move {
        if !named.id.starts_with(['U', 'W']) {
            return Err("a user's id begins with U or W".into());
        }
        let display_name = named.display_name.unwrap_or_else(|| named.name.clone());
        locked(&house.workspace).add_user(&named.id, &named.name, &display_name);
        Ok(json!({ "id": named.id, "name": named.name, "display_name": display_name }))
    })
    .await
}

#[derive(Deserialize)]
struct Newest {
    limit: Option<usize>,
}

async fn channel(
    State(house): State<Arc<House>>,
    Path(id): Path<String>,
    Query(newest): Query<Newest>,
) -> Response {
    let mut workspace = locked(&house.workspace);
    let found = workspace.find_channel(&id);
    match found.and_then(|id| workspace.channel(&id)) {
        Some(channel) => done(&slack::view_channel(&workspace, channel, newest.limit.unwrap_or(200))),
        None => told(Err(Refusal::no_channel(&id))),
    }
}
