//! `/switchboard`: what this channel is to the hub, answered to who asked, and to nobody else.

use serde_json::json;
use switchboard_core::{Failure, Outcome, Reply, View};

use super::Slack;
use super::forms::Command;
use super::store::{self, LastDelivery, Own};
use super::text::{Limit, from_plain};

const HELP: &str = "\
`/switchboard room` says which room this channel shows.
`/switchboard status` says how the last delivery to this channel went.
`/switchboard help` says this.";

/// Answers a command.
pub(super) async fn answer(slack: &Slack, command: &Command, view: &dyn View) -> Result<Outcome, Failure> {
    let text = if is_stranger(slack, command, view).await? {
        "This command is for the people of the workspace in which the app is installed.".to_owned()
    } else {
        let words = command.text.trim().to_ascii_lowercase();
        match words.as_str() {
            "room" | "rooms" => room(slack, command),
            "status" => status(slack, command, view).await?,
            _ => HELP.to_owned(),
        }
    };
    Ok(Outcome::reply(Reply::json(&json!({ "response_type": "ephemeral", "text": text }))?))
}

/// Somebody of another workspace, in a channel that is shared with it.
async fn is_stranger(slack: &Slack, command: &Command, view: &dyn View) -> Result<bool, Failure> {
    if command.enterprise {
        return Ok(false);
    }
    let team = match &slack.config.team_id {
        Some(team) => Some(team.clone()),
        None => store::get::<Own>(view, &store::own_key()).await?.and_then(|own| own.team),
    };
    Ok(team.is_some_and(|team| team != command.team))
}

fn room(slack: &Slack, command: &Command) -> String {
    let Some(name) = slack.channels.get(&command.channel) else {
        return format!("This channel ({}) shows no room.", command.channel);
    };
    let title = slack.rooms.get(name).and_then(|room| room.title.as_deref()).unwrap_or(name.as_str());
    let title = from_plain(title, Limit::Chars(200), "…");
    format!("This channel shows the room `{name}`: {title}.")
}

async fn status(slack: &Slack, command: &Command, view: &dyn View) -> Result<String, Failure> {
    if !slack.channels.contains_key(&command.channel) {
        return Ok(room(slack, command));
    }
    let last: Option<LastDelivery> = store::get(view, &store::last_delivery_key(&command.channel)).await?;
    Ok(match last {
        None => "Nothing has been delivered to this channel yet.".to_owned(),
        Some(LastDelivery { time, failed: None }) => {
            format!("The last delivery to this channel arrived: {time}.")
        }
        Some(LastDelivery { time, failed: Some(reason) }) => {
            let reason = from_plain(&reason, Limit::Chars(500), "…");
            format!("The last delivery to this channel failed, {time}: {reason}.")
        }
    })
}
