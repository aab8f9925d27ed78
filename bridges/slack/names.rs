//! What people, channels and bots are called, and what we are: asked of Slack where it is not known.

use serde::Deserialize;
use switchboard_core::Failure;

use super::store::Own;
use super::web_api::{Trouble, Twice, WebApi};

#[derive(Deserialize)]
struct UserAnswer {
    user: User,
}

#[derive(Deserialize)]
struct User {
    name: Option<String>,
    real_name: Option<String>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    display_name: Option<String>,
    real_name: Option<String>,
}

#[derive(Deserialize)]
struct ChannelAnswer {
    channel: Named,
}

#[derive(Deserialize)]
struct BotAnswer {
    bot: Named,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

/// The name behind an id, by the kind that its first letter tells; `None` where Slack does not say.
///
/// # Errors
/// [`Failure::Retry`] where a later attempt may fare better.
pub(super) async fn ask(api: &WebApi<'_>, id: &str) -> Result<Option<String>, Failure> {
    let (method, answer) = match id.as_bytes().first() {
        Some(b'U' | b'W') => {
            let answer = api.form("users.info", &[("user", id)], Twice::Harmless).await;
            ("users.info", answer.map(|UserAnswer { user }| user_name(user)))
        }
        Some(b'C' | b'G' | b'D') => {
            let answer = api.form("conversations.info", &[("channel", id)], Twice::Harmless).await;
            ("conversations.info", answer.map(|ChannelAnswer { channel }| channel.name))
        }
        Some(b'B') => {
            let answer = api.form("bots.info", &[("bot", id)], Twice::Harmless).await;
            ("bots.info", answer.map(|BotAnswer { bot }| bot.name))
        }
        _ => return Ok(None),
    };
    match answer {
        Ok(name) => Ok(name.filter(|name| !name.trim().is_empty())),
        Err(trouble) if trouble.is_final() => Ok(None),
        Err(trouble) => Err(trouble.counted(method)),
    }
}

fn user_name(user: User) -> Option<String> {
    let profile = user.profile.map(|profile| [profile.display_name, profile.real_name]);
    let names = profile.into_iter().flatten().chain([user.real_name, user.name]);
    names.flatten().find(|name| !name.trim().is_empty())
}

#[derive(Deserialize)]
struct AuthAnswer {
    user_id: Option<String>,
    bot_id: Option<String>,
    team_id: Option<String>,
}

/// Who the token speaks for.
///
/// # Errors
/// [`Failure::Retry`]: without this nothing a bot says can be told from our own.
pub(super) async fn ask_ourselves(api: &WebApi<'_>) -> Result<Own, Failure> {
    let answer: Result<AuthAnswer, Trouble> = api.form("auth.test", &[], Twice::Harmless).await;
    let answer = answer.map_err(|trouble| trouble.counted("auth.test"))?;
    Ok(Own { bot: answer.bot_id, user: answer.user_id, team: answer.team_id })
}
