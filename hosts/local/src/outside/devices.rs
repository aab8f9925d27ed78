//! Devices by the MQTT broker that `MQTT_URL` names.
//! <https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html>
//!
//! MQTT 5, since a 3.1.1 broker acknowledges what it does not let through: a device would never hear that its alarm was
//! answered, and nobody that it was not told.
//!
//! One connection, made when something is first to be published, and made anew when the one before has ended; nothing
//! of it runs where nobody publishes. What is published goes out only over a connection that stands, once: so what
//! comes of it is known, or unknown, and trying again is the host's as with everybody else. The client's own repeating
//! over connections is therefore not used: each has a client of its own.

mod line;
mod socket;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use switchboard_core::{DeviceMessage, Devices, Failure};

use super::mqtt_url::MqttUrl;
use line::Line;
use socket::Connector;

/// Connecting, TLS and the broker's answer together.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// From handing it over to the broker's acknowledgement. With the connecting it is well within an attempt.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The broker, where one is configured.
pub(crate) struct Broker(Option<Way>);

/// The way there.
struct Way {
    connector: Arc<Connector>,
    connect_within: Duration,
    answer_within: Duration,
    /// The connection that is in use; it may have ended.
    line: Mutex<Option<Arc<Line>>>,
}

impl Broker {
    /// The broker at this address; without one nothing can be published.
    pub(crate) fn new(url: Option<MqttUrl>) -> Self {
        Self(url.map(|url| Way::new(Connector::new(url), CONNECT_WITHIN, ANSWER_WITHIN)))
    }
}

#[async_trait]
impl Devices for Broker {
    async fn publish(&self, message: &DeviceMessage) -> Result<(), Failure> {
        match &self.0 {
            Some(way) => way.publish(message).await,
            None => Err(Failure::refuse(
                501,
                format!(
                    "nothing can be published to {}: there is no broker — to mend it: set MQTT_URL to one, such as \
                     mqtts://user:password@broker.example:8883",
                    message.topic()
                ),
            )),
        }
    }
}

impl Way {
    fn new(connector: Connector, connect_within: Duration, answer_within: Duration) -> Self {
        Self { connector: Arc::new(connector), connect_within, answer_within, line: Mutex::default() }
    }

    /// The connection that stands or is being made, or a new one.
    fn line(&self) -> Result<Arc<Line>, Failure> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = &*line
            && !line.has_ended()
        {
            return Ok(Arc::clone(line));
        }
        let new = Arc::new(Line::begin(&self.connector, self.connect_within)?);
        *line = Some(Arc::clone(&new));
        Ok(new)
    }

    /// Whoever comes next finds out on a new connection whether the broker is there.
    fn forget(&self, given_up: &Arc<Line>) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.as_ref().is_some_and(|line| Arc::ptr_eq(line, given_up)) {
            *line = None;
        }
    }

    async fn publish(&self, message: &DeviceMessage) -> Result<(), Failure> {
        let line = self.line()?;
        line.stands().await?;
        match tokio::time::timeout(self.answer_within, line.publish(message)).await {
            Ok(published) => published,
            Err(_) => {
                self.forget(&line);
                Err(Failure::unsure(format!("the broker has not answered within {:?}", self.answer_within)))
            }
        }
    }
}

#[cfg(test)]
mod mosquitto;
#[cfg(test)]
mod tests;
