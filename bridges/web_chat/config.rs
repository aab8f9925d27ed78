//! `[chat]`: who may sign in, how much may be said, and who has which role.

use std::net::IpAddr;

use serde::Deserialize;
use switchboard_core::message::{MAX_ATTACHMENTS, MAX_TEXT_CHARS};

use crate::settings::{ConfigError, Settings, shown};

/// `[chat]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chat {
    /// Whether anybody may sign in with a name of their choice; `None`: where only this machine can come in.
    pub guests: Option<bool>,
    /// How long a person stays signed in.
    pub session_hours: u32,
    /// Longest text of a message, in characters.
    pub text_chars: usize,
    /// Longest name of a guest, in characters.
    pub name_chars: usize,
    /// Most files of one message.
    pub files: usize,
    /// Largest file.
    pub file_bytes: usize,
    /// Largest frame.
    pub frame_bytes: usize,
    /// Who is a moderator: subjects, verified e-mail addresses or groups, as the issuer says them.
    pub moderators: Vec<String>,
    /// Who is an operator.
    pub operators: Vec<String>,
    /// Most sockets in all.
    pub sockets: usize,
    /// Most sockets from one address.
    pub sockets_per_address: usize,
    /// Most sockets of one person.
    pub sockets_per_person: usize,
    /// Most posts, edits, deletions and reactions of one person in a minute.
    pub posts_per_minute: u32,
    /// The same from one address.
    pub posts_per_minute_per_address: u32,
    /// Whose accounts sign in.
    pub oidc: Option<Issuer>,
    /// Names by which browsers reach the hub, besides `PUBLIC_BASE_URL`'s and this machine's.
    pub hosts: Vec<String>,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            guests: None,
            session_hours: 24 * 7,
            text_chars: 8000,
            name_chars: 40,
            files: MAX_ATTACHMENTS,
            file_bytes: 10 * 1024 * 1024,
            frame_bytes: 64 * 1024,
            moderators: Vec::new(),
            operators: Vec::new(),
            sockets: 20_000,
            sockets_per_address: 1000,
            sockets_per_person: 20,
            posts_per_minute: 60,
            posts_per_minute_per_address: 600,
            oidc: None,
            hosts: Vec::new(),
        }
    }
}

/// `[chat.oidc]`: an issuer of accounts, by OpenID Connect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Its address, without `/.well-known/…`.
    pub issuer: String,
    /// What it calls the hub.
    pub client_id: String,
    /// Where the hub asks it what it publishes, where that is not at its address: an issuer behind the same proxy.
    #[serde(default)]
    pub reached_at: Option<String>,
    /// What the button says.
    #[serde(default = "title")]
    pub title: String,
}

fn title() -> String {
    "Sign in with your account".to_owned()
}

/// Is it on this machine?
fn is_near(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl Issuer {
    /// What stands before `/.well-known/…` where it is asked, without a slash at the end.
    pub fn place(&self) -> &str {
        self.reached_at.as_deref().unwrap_or(&self.issuer).trim_end_matches('/')
    }

    /// The names in the environment stand for the section's keys: where there is no section, they are at fault.
    fn check(&self, settings: &Settings) -> Result<(), ConfigError> {
        let is_written = settings.document.has(&["chat", "oidc"]);
        let wrong = |name: &str, what: &str, mend: &str| {
            let fault = match name {
                _ if is_written => settings.fault(&["chat", "oidc", name], what),
                "issuer" => settings.wrong("OIDC_ISSUER", what),
                "reached_at" => settings.wrong("OIDC_REACHED_AT", what),
                _ => settings.wrong("OIDC_CLIENT_ID", what),
            };
            Err(fault.mend(mend))
        };
        let places = [("issuer", Some(&self.issuer)), ("reached_at", self.reached_at.as_ref())].into_iter();
        for (name, address) in places.filter_map(|(name, address)| Some((name, address?))) {
            let Ok(url) = address.parse::<url::Url>() else {
                return wrong(name, "is no address", "write it like https://accounts.example");
            };
            if url.scheme() != "https" && !(url.scheme() == "http" && is_near(&url)) {
                return wrong(
                    name,
                    "is not https",
                    "only an issuer on this machine may be reached without TLS",
                );
            }
        }
        if self.client_id.trim().is_empty() {
            return wrong("client_id", "is empty", "write the id that the issuer gave the hub");
        }
        Ok(())
    }
}

/// Largest file that may be configured: what Slack takes from us.
const MAX_FILE_BYTES: usize = 32 * 1024 * 1024;

impl Chat {
    /// Reads and checks it.
    ///
    /// # Errors
    /// What is wrong, and the mend.
    pub fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let mut chat: Self = settings.section("chat")?;
        if chat.oidc.is_none()
            && let (Some(issuer), Some(client_id)) =
                (settings.get("OIDC_ISSUER"), settings.get("OIDC_CLIENT_ID"))
        {
            let (issuer, client_id) = (issuer.to_owned(), client_id.to_owned());
            let reached_at = settings.get("OIDC_REACHED_AT").map(str::to_owned);
            chat.oidc = Some(Issuer { issuer, client_id, reached_at, title: title() });
        }
        let between = |name: &str, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(settings
                .fault(&["chat", name], format!("{value} is out of range"))
                .mend(format!("write a number from {least} to {most}")))
        };
        between("session_hours", chat.session_hours as usize, 1, 24 * 365)?;
        between("text_chars", chat.text_chars, 1, MAX_TEXT_CHARS)?;
        between("name_chars", chat.name_chars, 1, switchboard_core::message::MAX_NAME_CHARS)?;
        between("files", chat.files, 0, MAX_ATTACHMENTS)?;
        between("file_bytes", chat.file_bytes, 1, MAX_FILE_BYTES)?;
        between("frame_bytes", chat.frame_bytes, 1024, 1024 * 1024)?;
        between("sockets", chat.sockets, 1, 1_000_000)?;
        between("sockets_per_address", chat.sockets_per_address, 1, 1_000_000)?;
        between("sockets_per_person", chat.sockets_per_person, 1, 1_000_000)?;
        between("posts_per_minute", chat.posts_per_minute as usize, 1, 10_000_000)?;
        between("posts_per_minute_per_address", chat.posts_per_minute_per_address as usize, 1, 10_000_000)?;
        for (nth, host) in chat.hosts.iter().enumerate() {
            if host.is_empty() || host.contains(['/', ':', ' ']) {
                return Err(settings
                    .fault(&["chat", "hosts", &nth.to_string()], format!("{:?} is no name", shown(host)))
                    .mend("write names like chat.example, with no scheme, port or path"));
            }
        }
        if let Some(issuer) = &chat.oidc {
            issuer.check(settings)?;
        }
        chat.frame_bytes = chat.frame_bytes.min(settings.carries.frame_bytes);
        chat.file_bytes = chat.file_bytes.min(settings.carries.file_bytes);
        Ok(chat)
    }

    /// Whether guests may sign in, on a hub that listens there.
    pub fn takes_guests(&self, listens_on: Option<IpAddr>) -> bool {
        self.guests.unwrap_or_else(|| listens_on.is_some_and(|address| address.is_loopback()))
    }
}
