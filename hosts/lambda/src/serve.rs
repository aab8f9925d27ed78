//! A function at work: built once at init, then one invocation after the other.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;
use switchboard_bridges::settings::LINK_KEY;
use switchboard_core::{Door, DoorAccess, Links, Secret};
use switchboard_hosts::again::DOOR_POLICY;
use switchboard_hosts::archive::Archive;
use switchboard_hosts::credentials::Credentials;
use switchboard_rules::wiring::Rule;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::blobs::Bucket;
use crate::bus::Bus;
use crate::clients::Clients;
use crate::configuration::Configuration;
use crate::devices::{self, Broker};
use crate::functions::{self, Function, Role};
use crate::handled::Handled;
use crate::journal::Journal;
use crate::notices::Topics;
use crate::page::Page;
use crate::queue::Queue;
use crate::schedules::Schedules;
use crate::settle::Settler;
use crate::sockets::Line;
use crate::store::Table;
use crate::{batch, doors, media};

/// How old secrets and rooms may be: a secret that was replaced is known after this.
const FRESH_FOR: Duration = Duration::from_secs(300);
/// After a refusal it is read again sooner: the provider may sign with a new secret already.
const FRESH_AFTER_REFUSAL: Duration = Duration::from_secs(10);
/// Kept of an invocation's time for its answer.
const FOR_THE_ANSWER: Duration = Duration::from_millis(500);

/// Runs the function that the handler's name says, until Lambda ends the process.
///
/// # Errors
/// One line: what is missing or wrong, and the mend.
pub async fn run() -> Result<()> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let work = Arc::new(Work::begin(environment).await?);
    let served = lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let work = Arc::clone(&work);
        async move {
            let (began, payload) = (Instant::now(), event.payload.get());
            let answer = Box::pin(work.handle(&event)).await;
            work.handled.tell(&work.function.name, payload, began);
            answer
        }
    }));
    served.await.map_err(|error| anyhow::anyhow!("the runtime: {error}"))
}

/// One function with all that it needs.
struct Work {
    environment: BTreeMap<String, String>,
    clients: Clients,
    function: Function,
    parts: Mutex<(Arc<Parts>, Instant)>,
    handled: Handled,
    /// Whether a provider refuses our credentials.
    credentials: Arc<Credentials>,
}

/// What depends on the configuration.
struct Parts {
    role: RoleParts,
    token: Option<Secret>,
    links: Links,
    page: Option<Page>,
}

enum RoleParts {
    Settler(Box<Settler>),
    Media(Bucket),
    Journal(Journal),
}

impl Work {
    async fn begin(environment: BTreeMap<String, String>) -> Result<Self> {
        let handler = environment.get("_HANDLER").map(String::as_str).unwrap_or_default().to_owned();
        let clients = Clients::of_function(&environment)?;
        let credentials = Arc::default();
        let (function, parts) = build(&handler, &environment, &clients, &credentials).await?;
        match &parts.role {
            RoleParts::Settler(settler) => settler.table.look().await?,
            RoleParts::Journal(journal) => journal.look().await?,
            RoleParts::Media(_) => {}
        }
        info!(function = function.name, "ready");
        let parts = Mutex::new((Arc::new(parts), Instant::now()));
        Ok(Self { environment, clients, function, parts, credentials, handled: Handled::default() })
    }

    /// The parts, read again when they are older than that.
    async fn parts(&self, at_most: Duration) -> (Arc<Parts>, bool) {
        let (parts, read) = self.parts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if read.elapsed() < at_most {
            return (parts, false);
        }
        match build(&self.function.name, &self.environment, &self.clients, &self.credentials).await {
            Ok((_, fresh)) => {
                let fresh = Arc::new(fresh);
                let mut kept = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
                *kept = (Arc::clone(&fresh), Instant::now());
                (fresh, true)
            }
            Err(error) => {
                warn!(
                    error = format!("{error:#}"),
                    "the configuration could not be read again; the old one holds"
                );
                (parts, false)
            }
        }
    }

    async fn handle(&self, event: &LambdaEvent<Box<RawValue>>) -> Result<Value, Error> {
        let deadline = event.context.deadline();
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        let until = Instant::now() + left.saturating_sub(FOR_THE_ANSWER);
        let payload = event.payload.get();
        let refused = self.credentials.lately_refused();
        let (parts, _) = self.parts(if refused { FRESH_AFTER_REFUSAL } else { FRESH_FOR }).await;
        match &parts.role {
            RoleParts::Settler(settler) if self.function.role == Role::Door => {
                let (status, answer) = self.answer(settler, &parts, payload, until).await?;
                // Who is not signed in at a page is no sign of a secret that has been replaced.
                if !matches!(status, 401 | 403) || parts.page.is_some() {
                    return Ok(answer);
                }
                // A secret may have been replaced.
                let (fresh, changed) = self.parts(FRESH_AFTER_REFUSAL).await;
                match (&fresh.role, changed) {
                    (RoleParts::Settler(settler), true) => {
                        Ok(self.answer(settler, &fresh, payload, until).await?.1)
                    }
                    _ => Ok(answer),
                }
            }
            RoleParts::Settler(settler) if self.function.role == Role::Socket => {
                let settler = Settler { until, shown: Arc::default(), ..Settler::clone(settler) };
                let (Some(exchange), Some(page)) = (settler.exchange(), &parts.page) else {
                    return Err("a function of sockets without a way to them".into());
                };
                let answer = Box::pin(exchange.hear(page, serde_json::from_str(payload)?)).await;
                settler.send_shown().await;
                Ok(answer)
            }
            RoleParts::Settler(settler) => {
                let settler = Settler { until, ..Settler::clone(settler) };
                let batch = serde_json::from_str(payload)?;
                Ok(Box::pin(batch::handle(&settler, &self.function.name, batch)).await)
            }
            RoleParts::Media(bucket) => {
                Ok(media::answer(&parts.links, bucket, serde_json::from_str(payload)?).await)
            }
            RoleParts::Journal(journal) => {
                let hear = |body: String| async move { journal.hear(&body).await };
                Ok(batch::each(serde_json::from_str(payload)?, hear).await)
            }
        }
    }

    async fn answer(
        &self,
        settler: &Settler,
        parts: &Parts,
        payload: &str,
        until: Instant,
    ) -> Result<(u16, Value), Error> {
        let settler = Settler { until, shown: Arc::default(), ..Settler::clone(settler) };
        let event = serde_json::from_str(payload)?;
        let (token, page) = (parts.token.as_ref(), parts.page.as_ref());
        Ok(Box::pin(doors::answer(&settler, &self.function.name, token, page, event)).await)
    }
}

/// Makes the function of this handler from its environment.
async fn build(
    handler: &str,
    environment: &BTreeMap<String, String>,
    clients: &Clients,
    credentials: &Arc<Credentials>,
) -> Result<(Function, Parts)> {
    let configuration = Configuration::read(environment.clone(), &clients.signer).await?;
    let settings = configuration.settings(Some(handler))?;
    let token = configuration.get("SWITCHBOARD_TOKEN").map(Secret::new);
    let links = settings.links.clone();
    let bucket =
        || -> Result<Bucket> { Ok(Bucket::new(clients, configuration.require("SWITCHBOARD_MEDIA")?)) };
    let name = functions::bridge_of(handler);
    let bridge = name.and_then(|name| switchboard_bridges::one(name, &settings)).transpose()?;
    let all = functions::all(bridge.iter().map(|bridge| bridge.declaration()));
    let function = functions::named(handler, &all).map_err(|unknown| match &bridge {
        Some(_) => anyhow::Error::new(unknown),
        None => {
            anyhow::Error::new(unknown).context(format!("no bridge is named {}", name.unwrap_or(handler)))
        }
    })?;
    let mut page = None;
    let role = match (&function.role, bridge) {
        (Role::Media, _) => {
            configuration.require(LINK_KEY)?;
            RoleParts::Media(bucket()?)
        }
        (Role::Journal, _) => {
            let table = configuration.require("SWITCHBOARD_TABLE")?;
            let dead_letters =
                Queue::new(clients.signer.clone(), configuration.require("SWITCHBOARD_DEAD_LETTERS")?);
            let keep = Archive::read(&settings.document)?.events;
            RoleParts::Journal(Journal::new(clients.tables.clone(), table, dead_letters, keep))
        }
        (role, bridge) => {
            let bridge = bridge.context("a function of no bridge")?;
            let rule = rule(&configuration, handler)?;
            let queue = |name: &str| -> Result<Queue> {
                Ok(Queue::new(clients.signer.clone(), configuration.require(name)?))
            };
            let optional =
                |name: &str| configuration.get(name).map(|url| Queue::new(clients.signer.clone(), url));
            let (own, dead_letters) = match role {
                Role::Door | Role::Socket => (None, None),
                _ => (Some(queue("SWITCHBOARD_QUEUE")?), Some(queue("SWITCHBOARD_DEAD_LETTERS")?)),
            };
            let far = configuration
                .get("SWITCHBOARD_SCHEDULES")
                .map(|place| Schedules::new(clients.signer.clone(), place))
                .transpose()?;
            let errands = optional("SWITCHBOARD_ERRANDS").map(|queue| queue.with(far));
            // The way to the sockets, for functions of a bridge that has some.
            let stage = match (role, bridge.sockets()) {
                (Role::Socket, _) => Some(configuration.require("SWITCHBOARD_SOCKETS")?),
                (_, Some(_)) => configuration.get("SWITCHBOARD_SOCKETS"),
                (_, None) => None,
            };
            let pages = |door: &Door| door.name == handler && door.access != DoorAccess::Private;
            if bridge.sockets().is_some() && bridge.declaration().doors.iter().any(pages) {
                page = Some(Page::new(&settings, clients.http.clone())?);
            }
            RoleParts::Settler(Box::new(Settler {
                policy: rule.as_ref().map_or(DOOR_POLICY, |rule| rule.delivery),
                ordered: rule.is_some_and(|rule| rule.ordered),
                table: Table::new(clients.tables.clone(), configuration.require("SWITCHBOARD_TABLE")?),
                bus: Bus::new(clients.events.clone(), configuration.require("SWITCHBOARD_BUS")?),
                queue: own,
                errands,
                dead_letters,
                http: clients.http.clone(),
                // Only bridges with files have a bucket; the others never name one.
                blobs: Bucket::new(clients, configuration.get("SWITCHBOARD_MEDIA").unwrap_or("none")),
                notices: Topics::new(clients),
                devices: Broker::new(clients.signer.clone(), configuration.get(devices::PLACE))?,
                line: stage.map(|stage| Line::new(clients.signer.clone(), stage)),
                shown: Arc::default(),
                turns: Arc::new(Semaphore::new(1)),
                credentials: Arc::clone(credentials),
                until: Instant::now(),
                bridge,
            }))
        }
    };
    Ok((function, Parts { role, token, links, page }))
}

/// A listener's rule, for how it is delivered: of `wiring/` beside the program in the artifact, where there is one, or
/// else of this repository. What it hears is the stack's rule, which a test holds to be the same.
fn rule(configuration: &Configuration, listener: &str) -> Result<Option<Rule>> {
    let own = configuration.get("LAMBDA_TASK_ROOT").map(|root| Path::new(root).join("wiring"));
    match own.filter(|directory| directory.is_dir()) {
        Some(directory) => Ok(Rule::load(&directory, listener)?),
        None => Ok(Rule::embedded(listener)?),
    }
}
