//! Who is who: `auth.test`, `users.*`, `bots.info`. <https://docs.slack.dev/reference/objects/user-object>

use serde_json::{Value, json};

use super::front::{Answer, Done, ok};
use super::workspace::{User, Workspace};
use crate::body::Params;
use crate::house::{House, locked};

pub(crate) fn whoami(house: &House) -> Done {
    let app = &house.settings.slack;
    ok(&json!({
        "url": "https://sandbox.slack.com/", "team": "Sandbox", "user": "switchboard", "team_id": app.team_id,
        "user_id": app.bot_user_id, "bot_id": app.bot_id, "app_id": app.app_id, "is_enterprise_install": false,
    }))
}

fn wire(workspace: &Workspace, id: &str, user: &User) -> Value {
    json!({
        "id": id, "team_id": workspace.team, "name": user.name, "real_name": user.display_name, "deleted": false,
        "is_bot": user.is_bot, "is_app_user": false, "tz": "Etc/UTC", "tz_offset": 0, "updated": 1_700_000_000,
        "profile": {
            "display_name": user.display_name, "display_name_normalized": user.display_name,
            "real_name": user.display_name, "real_name_normalized": user.display_name, "team": workspace.team,
            "image_48": "", "image_72": "",
        },
    })
}

pub(crate) fn user(house: &House, params: &Params) -> Answer {
    let id = params.filled("user").ok_or("user_not_found")?;
    let workspace = locked(&house.workspace);
    let user = workspace.users.get(&*id).ok_or("user_not_found")?;
    Ok(ok(&json!({ "user": wire(&workspace, &id, user) })))
}

pub(crate) fn users(house: &House) -> Answer {
    let workspace = locked(&house.workspace);
    let members: Vec<Value> = workspace.users.iter().map(|(id, user)| wire(&workspace, id, user)).collect();
    Ok(ok(
        &json!({ "members": members, "cache_ts": 1_700_000_000, "response_metadata": { "next_cursor": "" } }),
    ))
}

pub(crate) fn bot(house: &House, params: &Params) -> Answer {
    let app = &house.settings.slack;
    if params.filled("bot").is_some_and(|id| id != app.bot_id) {
        return Err("bot_not_found");
    }
    Ok(ok(&json!({ "bot": {
        "id": app.bot_id, "app_id": app.app_id, "user_id": app.bot_user_id, "name": "Switchboard", "deleted": false,
        "icons": { "image_36": "", "image_48": "", "image_72": "" },
    } })))
}
