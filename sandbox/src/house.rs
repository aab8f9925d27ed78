//! The sandbox as a whole: what its parts share, and how it starts and stops.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::sync::watch;

use crate::calls::Calls;
use crate::faults::Faults;
use crate::limits::Buckets;
use crate::notices::{NoticeBoard, Notices};
use crate::settings::{Behaviour, Limits, Settings, SlackSecrets};
use crate::slack::Workspace;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::twilio::Texts;
use crate::webhooks::Webhooks;
use crate::{control, slack, twilio};

/// A pretend Twilio and a pretend Slack, for one hub.
pub struct Sandbox {
    house: Arc<House>,
}

/// Why a sandbox could not start.
#[derive(Debug)]
pub enum StartError {
    /// The store's file could not be read or written.
    Store(std::io::Error),
    /// The HTTP client could not be made.
    Client(reqwest::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Store(error) => write!(f, "the sandbox's store could not be opened: {error}"),
            StartError::Client(error) => write!(f, "the sandbox's HTTP client could not be made: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Store(error) => Some(error),
            StartError::Client(error) => Some(error),
        }
    }
}

impl Sandbox {
    /// Starts a sandbox, and takes up what the store says was under way.
    ///
    /// Call it inside a Tokio runtime, after a rustls crypto provider was installed as the process's default
    /// (`rustls::crypto::ring::default_provider().install_default()`): without one, making an HTTP client
    /// panics, although this one speaks plain HTTP.
    ///
    /// # Errors
    ///
    /// When the store cannot be opened, or the HTTP client cannot be made.
    pub fn new(mut settings: Settings) -> Result<Sandbox, StartError> {
        for base in [&mut settings.hub_base, &mut settings.public_base, &mut settings.own_base] {
            base.truncate(base.trim_end_matches('/').len());
        }
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .user_agent("TwilioProxy/1.1")
            .build()
            .map_err(StartError::Client)?;
        let (store, entries) = match &settings.store {
            None => (None, Vec::new()),
            Some(path) => {
                let (store, entries) = Store::open(path).map_err(StartError::Store)?;
                (Some(store), entries)
            }
        };
        let house = Arc::new(House {
            behaviour: Mutex::new(Arc::new(settings.behaviour.clone())),
            limits: Mutex::new(Arc::new(settings.limits.clone())),
            slack_secrets: Mutex::new(Arc::new(SlackSecrets::of(&settings.slack))),
            buckets: Buckets::default(),
            faults: Faults::default(),
            calls: Calls::new(),
            webhooks: Webhooks::new(),
            tasks: Tasks::new(),
            changes: watch::Sender::new(0),
            echo_places: tokio::sync::Semaphore::new(64),
            echoes_left_out: AtomicU64::new(0),
            store,
            texts: Mutex::new(Texts::new()),
            workspace: Mutex::new(Workspace::new(&settings.slack)),
            notices: Mutex::default(),
            http,
            settings,
        });
        house.restore(entries);
        house.compact(true).map_err(StartError::Store)?;
        twilio::resume(&house);
        house.compact_now_and_then();
        Ok(Sandbox { house })
    }

    /// Everything the sandbox serves: `/twilio/…`, `/slack/…` and its control paths.
    pub fn router(&self) -> Router {
        Router::new()
            .merge(twilio::routes())
            .merge(slack::routes())
            .merge(control::routes())
            .with_state(Arc::clone(&self.house))
    }

    /// Where the hub publishes notices.
    pub fn notices(&self) -> NoticeBoard {
        NoticeBoard(Arc::clone(&self.house))
    }

    /// Ends the background work: texts on their way, retries, answers that never come.
    pub async fn stop(&self) {
        self.house.tasks.stop().await;
    }
}

/// What the parts share.
pub(crate) struct House {
    pub(crate) settings: Settings,
    pub(crate) behaviour: Mutex<Arc<Behaviour>>,
    pub(crate) limits: Mutex<Arc<Limits>>,
    pub(crate) slack_secrets: Mutex<Arc<SlackSecrets>>,
    pub(crate) buckets: Buckets,
    pub(crate) faults: Faults,
    pub(crate) calls: Calls,
    pub(crate) webhooks: Webhooks,
    pub(crate) tasks: Tasks,
    /// Counts what was received and changed.
    pub(crate) changes: watch::Sender<u64>,
    /// How many echoes may be on their way at once.
    pub(crate) echo_places: tokio::sync::Semaphore,
    /// How many were never sent.
    pub(crate) echoes_left_out: AtomicU64,
    pub(crate) store: Option<Store>,
    /// Twilio's messages and phones. Locked before `workspace` where both are.
    pub(crate) texts: Mutex<Texts>,
    /// Slack's channels, people and files.
    pub(crate) workspace: Mutex<Workspace>,
    /// What was published to topics. Locked after the others where they are.
    pub(crate) notices: Mutex<Notices>,
    pub(crate) http: reqwest::Client,
}

impl House {
    pub(crate) fn behaviour(&self) -> Arc<Behaviour> {
        Arc::clone(&locked(&self.behaviour))
    }

    pub(crate) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&locked(&self.limits))
    }

    pub(crate) fn slack_secrets(&self) -> Arc<SlackSecrets> {
        Arc::clone(&locked(&self.slack_secrets))
    }

    /// The address to really ask for a URL of the hub's: the public address may not lead to this machine.
    pub(crate) fn reachable(&self, url: &str) -> String {
        match url.strip_prefix(self.settings.public_base.as_str()) {
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '?', '#']) => {
                format!("{}{rest}", self.settings.hub_base)
            }
            _ => url.to_owned(),
        }
    }

    fn compact_now_and_then(self: &Arc<Self>) {
        if self.store.is_none() {
            return;
        }
        let house = Arc::clone(self);
        self.tasks.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                let house = Arc::clone(&house);
                let done = tokio::task::spawn_blocking(move || house.compact(false)).await;
                if let Ok(Err(error)) = done {
                    tracing::error!(%error, "the sandbox's store could not be written anew");
                }
            }
        });
    }
}

/// Locks; a panic of another holder leaves pretend data that is good enough.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
