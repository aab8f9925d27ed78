//! The hub, assembled: the data directory, the writer thread, the doors, the pretend providers; and its end.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use switchboard_bridges::web_chat::Chat;
use switchboard_core::{Secret, Timestamp};
use switchboard_hosts::http::Client;
use switchboard_hosts::output;
use switchboard_hosts::sign_in::{self, SignIn};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, watch};
use tracing::{error, info, warn};
use url::Url;

use crate::bus::archive::Archive;
use crate::bus::inbox::Inbox;
use crate::bus::log::{Log, Outlet, Progress, Start};
use crate::bus::readers::Readers;
use crate::bus::{Beside, Parts, Writer, database};
use crate::config::Configuration;
use crate::metrics::Metrics;
use crate::outside::{Broker, FileBlobs, Ground, Shown, carry_out};
use crate::search::{History, SearchIndex};
use crate::sockets::{self, Exchange};
use crate::trace::TraceIndex;
use crate::web::access::{Access, PageHosts};
use crate::{moving, sandbox, upkeep, web, wiring};

/// Events that `tail` may be behind before it reads the archive instead.
const SHOWN: usize = 1024;

/// Why the hub does not start: the operator's to mend, exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CannotStart(pub(crate) String);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// [`CannotStart`] for what the operator can mend.
pub(crate) async fn run(mut configuration: Configuration) -> Result<()> {
    let (_lock, link_key) = take_directory(&configuration.data)?;
    let listener = TcpListener::bind(configuration.listen).await.map_err(|error| {
        CannotStart(format!(
            "cannot listen on {}: {error} — to mend it: choose another with --listen",
            configuration.listen
        ))
    })?;
    let address = listener.local_addr()?;
    // The pretend providers and the hub reach each other over this machine's own loopback.
    let near = if address.ip().is_unspecified() {
        SocketAddr::from(([127, 0, 0, 1], address.port()))
    } else {
        address
    };
    let base = format!("http://{near}");
    let public = match configuration.public_base_url.clone() {
        Some(url) => url,
        None => Url::parse(&base)?,
    };
    let sandbox = sandbox::start(&mut configuration, &base, &public, &link_key)?;
    let settings = configuration.settings(public.clone(), link_key);
    let bridges = switchboard_bridges::all(&settings).map_err(|error| CannotStart(error.to_string()))?;

    let path = configuration.data.join("hub.sqlite3");
    let names: Vec<&'static str> = bridges.iter().map(|bridge| bridge.declaration().name).collect();
    let connection = database::open_for_writing(&path, &names).map_err(|error| {
        CannotStart(format!(
            "{}: {error:#} — to mend it: let this user write it, restore it from a copy, or choose another \
             directory with --data",
            path.display()
        ))
    })?;
    moving::refuse_half(&connection)?;
    let archive = Archive::new(&path);
    let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(now);
    let metrics = Arc::new(Metrics::new()?);
    let inbox = Arc::new(Inbox::default());
    let (shown, _) = broadcast::channel(SHOWN);
    let blobs = FileBlobs::new(configuration.data.join("blobs"));
    let ground = Arc::new(Ground {
        http: Client::new()?,
        blobs: blobs.clone(),
        notices: Shown::on(sandbox.notices()),
        devices: Broker::new(configuration.mqtt.clone()),
        inbox: Arc::clone(&inbox),
        clock: Arc::clone(&clock),
    });
    let (stop, stopping) = watch::channel(false);
    let (log, progress) = (Log::open(&path)?, Arc::new(Progress::new()));
    let beside = Beside::open(&path)?;
    let readers = Arc::new(Readers::new(&path, &names, Arc::clone(&progress)));
    let chat = Chat::read(&settings).map_err(|error| CannotStart(error.to_string()))?;
    let sign_in_words = who_signs_in(&chat, settings.listens_on);
    let page_hosts = PageHosts::new(chat.hosts.iter().cloned().chain(public.host_str().map(str::to_owned)));
    let with_sockets =
        bridges.iter().find(|bridge| bridge.sockets().is_some()).context("no bridge has sockets")?;
    let history = History {
        bridge: Arc::clone(with_sockets),
        rooms: configuration.rooms.iter().map(|(name, _)| name.clone()).collect(),
        readers: Arc::clone(&readers),
        clock: Arc::clone(&clock),
    };
    let index = configuration.data.join("search.sqlite3");
    let search = Arc::new(SearchIndex::new(&index, archive.clone(), history));
    let chat_name = with_sockets.declaration().name;
    let old_files = upkeep::Files {
        blobs: blobs.clone(),
        search: Arc::clone(&search),
        archive: archive.clone(),
        holders: names.iter().copied().filter(|name| *name != chat_name).collect(),
        keep: configuration.keep_files,
        clock: Arc::clone(&clock),
    };
    let secret = settings.get("OIDC_CLIENT_SECRET").map(Secret::new);
    sign_in::install();
    let http = Client::new()?;
    let sign_in =
        chat.oidc.clone().map(|issuer| Arc::new(SignIn::new(issuer, secret, http, settings.links.clone())));
    let exchange = Exchange::new(
        Arc::clone(with_sockets),
        chat,
        configuration.rooms.iter().map(|(name, _)| name.clone()),
        sockets::Ground {
            inbox: Arc::clone(&inbox),
            readers: Arc::clone(&readers),
            search: Arc::clone(&search),
            blobs: blobs.clone(),
            clock: Arc::clone(&clock),
            stopping: stopping.clone(),
            slow_readers: metrics.slow_readers.clone(),
        },
    );
    let pushed = Arc::clone(&exchange);
    let runtime = tokio::runtime::Handle::current();
    let start = move |start: Start| {
        runtime.spawn(carry_out(start, Arc::clone(&ground)));
    };
    let writer = Writer::new(Parts {
        connection,
        bridges: bridges.clone(),
        wiring: configuration.wiring.clone(),
        keep: configuration.keep,
        inbox: Arc::clone(&inbox),
        clock: Arc::clone(&clock),
        random: Box::new(rand::random::<f64>),
        outlet: Outlet {
            start: Box::new(start),
            push: Box::new(move |pushes| pushed.push(pushes)),
            shown: shown.clone(),
            metrics: Arc::clone(&metrics),
        },
        progress,
        metrics: Arc::clone(&metrics),
    })
    .map_err(|error| CannotStart(format!("{error:#}")))?;

    let hub = Arc::new(web::Hub {
        bridges,
        inbox: Arc::clone(&inbox),
        traces: TraceIndex::new(&configuration.data.join("trace.sqlite3"), archive.clone()),
        archive,
        shown,
        metrics,
        access: Access::new(configuration.token.clone()),
        page_hosts,
        readers,
        search: Arc::clone(&search),
        exchange: Arc::clone(&exchange),
        sign_in,
        links: settings.links.clone(),
        blobs,
        clock,
        stopping: stopping.clone(),
    });
    let router = web::router(&hub).merge(sandbox.router(&hub));
    announce(&configuration, &base, &public, &sign_in_words);
    let writer = std::thread::Builder::new().name("writer".into()).spawn(move || writer.run(&log, beside))?;
    let server = tokio::spawn(web::server::serve(listener, router, stopping.clone()));
    if let Some(directory) = configuration.wiring_directory.clone() {
        tokio::spawn(wiring::watch(directory, Arc::clone(&inbox), stopping.clone()));
    }
    tokio::spawn(upkeep::keep_up(Arc::clone(&search), stopping.clone()));
    tokio::spawn(upkeep::remove_old_files(Arc::new(old_files), stopping.clone()));
    tell("ready");

    wait_for_signal().await?;
    info!("stopping: the doors are closed, what is under way ends");
    stop.send_replace(true);
    exchange.stop().await;
    sandbox.stop().await;
    server.await?;
    inbox.stop();
    let ended = tokio::task::spawn_blocking(move || writer.join()).await?;
    if ended.is_err() {
        error!("the writer thread panicked; what was accepted is on disk");
        anyhow::bail!("the writer thread panicked");
    }
    info!("stopped");
    Ok(())
}

/// Locks the data directory and reads, or makes, the key that signs links.
pub(crate) fn take_directory(directory: &Path) -> Result<(File, Secret)> {
    let cannot = |what: &str, error: &dyn std::fmt::Display| {
        CannotStart(format!(
            "the data directory {}: {what}: {error} — to mend it: choose another with --data",
            directory.display()
        ))
    };
    fs::create_dir_all(directory).map_err(|error| cannot("cannot be made", &error))?;
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join("lock"))
        .map_err(|error| cannot("is not writable", &error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(cannot("is in use", &"another hub runs in it").into()),
        Err(TryLockError::Error(error)) => return Err(cannot("cannot be locked", &error).into()),
    }
    let path = directory.join("key");
    let key = match fs::read_to_string(&path) {
        Ok(key) if !key.trim().is_empty() => key.trim().to_owned(),
        _ => {
            let key = hex::encode(rand::random::<[u8; 32]>());
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&path)
                .map_err(|error| cannot("is not writable", &error))?;
            file.write_all(key.as_bytes())?;
            file.sync_all()?;
            key
        }
    };
    Ok((lock, Secret::new(key)))
}

pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Who can sign in to the chat, and how to let others.
fn who_signs_in(chat: &Chat, listens_on: Option<std::net::IpAddr>) -> String {
    let guests = match (chat.takes_guests(listens_on), chat.guests) {
        (true, None) => "guests may sign in, since only this machine is listened to",
        (true, Some(_)) => "guests may sign in",
        (false, _) => "guests may not sign in ([chat] guests)",
    };
    match &chat.oidc {
        Some(issuer) => format!("accounts of {} may sign in; {guests}", issuer.issuer),
        None if chat.takes_guests(listens_on) => guests.to_owned(),
        None => format!("nobody can sign in: {guests}, and no issuer of accounts is set ([chat.oidc])"),
    }
}

/// The start-up lines: what runs where, and against whom. The hub goes on when nobody reads them.
fn announce(configuration: &Configuration, base: &str, public: &Url, sign_in: &str) {
    let public = public.as_str().trim_end_matches('/');
    tell(format_args!(
        "switchboard {} at {base}, data in {}",
        env!("CARGO_PKG_VERSION"),
        configuration.data.display()
    ));
    match &configuration.file {
        Some(file) => tell(format_args!("configuration: {}", file.display())),
        None => tell("configuration: none; one room, \"lobby\""),
    }
    if configuration.twilio_is_pretend {
        tell(format_args!("twilio: pretend (no TWILIO_ACCOUNT_SID); its phones are at {base}/sandbox"));
    } else {
        tell(format_args!("twilio: real; webhooks {public}/twilio/messages and {public}/twilio/status"));
    }
    if configuration.slack_is_pretend {
        tell(format_args!("slack: pretend (no SLACK_BOT_TOKEN); its channels are at {base}/sandbox"));
    } else {
        tell(format_args!(
            "slack: real; request URLs {public}/slack/events, /slack/commands and /slack/interactions"
        ));
    }
    for (name, room) in configuration.rooms.iter() {
        let channel = room.slack_channel.as_deref().unwrap_or("none");
        tell(format_args!("room {name}: slack channel {channel}, sms {:?}", room.sms));
    }
    if web::pages::are_built() {
        tell(format_args!("pages: {base}/ is the chat; {sign_in}"));
    } else {
        warn!("this program was built without its pages; to mend it: make build");
    }
    if let Some(broker) = &configuration.mqtt {
        tell(format_args!(
            "devices: the broker {}, connected to when a device is first to be told something",
            broker.shown()
        ));
        if broker.shows_its_password() {
            warn!("MQTT_URL has a password and no TLS; to mend it: use mqtts://");
        }
    }
    if std::env::var_os("SLACK_APP_TOKEN").is_some() {
        warn!(name = "SLACK_APP_TOKEN", "this name is set, and nothing here uses it yet");
    }
}

/// A line on standard output, for whoever still reads it.
fn tell(line: impl std::fmt::Display) {
    let _ = output::line(line);
}

async fn wait_for_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_hub_and_keeps_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let (lock, key) = take_directory(directory.path()).unwrap();
        let error = take_directory(directory.path()).unwrap_err().to_string();
        assert!(error.contains("is in use"), "{error}");
        drop(lock);
        assert_eq!(take_directory(directory.path()).unwrap().1, key);
    }

    #[test]
    fn the_start_says_who_may_sign_in() {
        let here = Some(std::net::IpAddr::from([127, 0, 0, 1]));
        let everywhere = Some(std::net::IpAddr::from([0, 0, 0, 0]));
        for (toml, listens_on, expected) in [
            ("", here, "guests may sign in, since only this machine is listened to"),
            ("[chat]\nguests = true", everywhere, "guests may sign in"),
            ("", everywhere, "nobody can sign in: guests may not sign in ([chat] guests), and no issuer"),
            (
                "[chat.oidc]\nissuer = 'https://id.example'\nclient_id = 'hub'",
                everywhere,
                "accounts of https://id.example may sign in; guests may not",
            ),
        ] {
            let chat = Chat::read(&switchboard_bridges::Settings::for_tests(toml, &[])).unwrap();
            let words = who_signs_in(&chat, listens_on);
            assert!(words.starts_with(expected), "{words}");
        }
    }

    #[test]
    fn a_directory_that_cannot_be_made_says_so() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = take_directory(&file.path().join("below")).unwrap_err().to_string();
        assert!(error.contains("cannot be made") && error.contains("--data"), "{error}");
    }
}
