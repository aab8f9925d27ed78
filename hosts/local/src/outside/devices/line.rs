//! One connection to the broker, from its making to its end, and what is published over it.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, Broker, ClientError, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions,
    Packet, PubAckReason, PublishNoticeError, PublishOptions, QoS,
};
use switchboard_core::{DeviceMessage, Failure, Secret};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Connector;

/// An idle connection says so often that it lives; one that is dead is known after twice that.
const KEEP_ALIVE_S: u16 = 30;
/// Most that wait to be written; the broker's own limit says how many may be unacknowledged (20 with mosquitto).
const WAITING: usize = 64;
/// How long credentials that were refused are left alone: a person has to mend them.
const MENDING_PAUSE: Duration = Duration::from_secs(60);

/// How far a connection is.
#[derive(Debug, Clone)]
enum State {
    Connecting,
    Stands,
    /// Why, for who waited for it to stand.
    Ended(Failure),
}

/// A connection. It ends when nobody uses it any more.
pub(super) struct Line {
    client: AsyncClient,
    state: watch::Receiver<State>,
    task: AbortHandle,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Line {
    /// Begins to connect.
    ///
    /// # Errors
    /// Where the client takes no such options.
    pub(super) fn begin(connector: &Arc<Connector>, connect_within: Duration) -> Result<Self, Failure> {
        let url = &connector.url;
        // A name of its own for each connection: with the same one the broker ends the other.
        let name = format!("switchboard-{:016x}", rand::random::<u64>());
        let mut options = MqttOptions::new(name, Broker::tcp(url.host.as_str(), url.port));
        options.set_keep_alive(KEEP_ALIVE_S).set_clean_start(true).set_connect_timeout(connect_within);
        match (&url.user, &url.password) {
            (Some(user), Some(password)) => options.set_credentials(user.as_str(), secret(password)),
            (Some(user), None) => options.set_username(user.as_str()),
            (None, _) => &mut options,
        };
        let connector = Arc::clone(connector);
        options.set_socket_connector(move |_, _| {
            let connector = Arc::clone(&connector);
            async move { connector.connect().await }
        });
        let (client, events) = AsyncClient::builder(options)
            .capacity(WAITING)
            .try_build()
            .map_err(|error| Failure::bug(format!("no MQTT client: {error}")))?;
        let (tell, state) = watch::channel(State::Connecting);
        let task = tokio::spawn(run(events, tell)).abort_handle();
        Ok(Self { client, state, task })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished() || matches!(*self.state.borrow(), State::Ended(_))
    }

    /// Waits until it stands.
    ///
    /// # Errors
    /// Why it does not: nothing was published.
    pub(super) async fn stands(&self) -> Result<(), Failure> {
        let mut state = self.state.clone();
        let state = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        match state.as_deref() {
            Ok(State::Ended(failure)) => Err(failure.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::retry("the connection to the broker was given up")),
        }
    }

    /// Publishes over the connection, which stood a moment ago; ends when the broker has acknowledged it.
    pub(super) async fn publish(&self, message: &DeviceMessage) -> Result<(), Failure> {
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(message.is_retained());
        let notice = self
            .client
            .try_publish_tracked(message.topic().as_str(), message.payload().clone(), options)
            .map_err(|error| match error {
                ClientError::RequestChannelFull(_) => Failure::retry("too much waits for the broker"),
                ClientError::RequestChannelDisconnected(_) => {
                    Failure::retry("the connection to the broker has just ended")
                }
                _ => Failure::bug("the MQTT client does not take a device's message"),
            })?;
        match notice.wait_completion_async().await {
            Ok(()) => Ok(()),
            Err(PublishNoticeError::V5PubAck(reason)) => Err(refused(reason)),
            Err(PublishNoticeError::RetainNotSupported) => Err(Failure::refuse(
                501,
                "the broker keeps nothing — to mend it: let it retain messages, or use another",
            )),
            // It may have been written before the connection ended.
            Err(_) => Err(Failure::unsure("the connection to the broker ended before it answered")),
        }
    }
}

fn secret(password: &Secret) -> Vec<u8> {
    password.expose().as_bytes().to_vec()
}

/// Drives the connection until it ends.
async fn run(mut events: EventLoop, tell: watch::Sender<State>) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                tell.send_replace(State::Stands);
            }
            Ok(Event::Incoming(Packet::Disconnect(said))) => {
                return end(
                    &tell,
                    Failure::retry(format!("the broker ends the connection: {:?}", said.reason_code)),
                );
            }
            Ok(_) => {}
            Err(error) => return end(&tell, ended(&error)),
        }
    }
}

fn end(tell: &watch::Sender<State>, why: Failure) {
    tracing::info!(reason = %why, "the connection to the MQTT broker has ended");
    tell.send_replace(State::Ended(why));
}

/// Why a connection does not stand. Nothing was published over one that never did.
fn ended(error: &ConnectionError) -> Failure {
    use ConnectReturnCode as Code;
    let code = match error {
        ConnectionError::ConnectionRefused(code) => code,
        _ => return Failure::retry(format!("no connection to the broker: {error}")),
    };
    let said = format!("the broker refuses the connection: {code:?}");
    match code {
        Code::BadUserNamePassword | Code::NotAuthorized | Code::BadAuthenticationMethod | Code::Banned => {
            let mend = "set user and password in MQTT_URL to what the broker knows";
            Failure::credentials(format!("{said} — to mend it: {mend}"), MENDING_PAUSE)
        }
        Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => {
            Failure::refuse(501, format!("{said} — to mend it: use a broker that speaks MQTT 5"))
        }
        _ => Failure::retry(said),
    }
}

/// What the broker did not take.
fn refused(reason: PubAckReason) -> Failure {
    let said = format!("the broker does not take it: {reason:?}");
    match reason {
        PubAckReason::NotAuthorized => {
            let mend = "let the user of MQTT_URL publish to this topic";
            Failure::credentials(format!("{said} — to mend it: {mend}"), MENDING_PAUSE)
        }
        PubAckReason::TopicNameInvalid | PubAckReason::PayloadFormatInvalid => Failure::bug(said),
        _ => Failure::retry(said),
    }
}
