//! Devices by the account's MQTT broker, AWS IoT's data plane.
//! <https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_Publish.html>
//!
//! Each account has an address of its own for it, so it is configuration: what `aws iot describe-endpoint
//! --endpoint-type iot:Data-ATS` prints.

use anyhow::{Result, ensure};
use async_trait::async_trait;
use http::HeaderName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use switchboard_core::{DeviceMessage, Devices, Failure};

use crate::answers;
use crate::signed::Signer;

/// The name in a function's environment that says where the broker is.
pub(crate) const PLACE: &str = "SWITCHBOARD_DEVICES";
/// What a signature is for: the service's own name for itself.
const SERVICE: &str = "iotdata";
/// A topic is one part of the path, slashes and all.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// How AWS names what is wrong.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// The account's broker, where the function knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    signer: Signer,
    place: Option<String>,
}

impl Broker {
    /// `host` is the address of the account's broker; who has none can publish nothing.
    ///
    /// # Errors
    /// When it is no host's name.
    pub(crate) fn new(signer: Signer, host: Option<&str>) -> Result<Self> {
        let place = match host {
            None => None,
            Some(host) => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
                ensure!(
                    host.bytes().all(plain),
                    "{PLACE} is {host:?} — to mend it: write the name alone, as \
                     `aws iot describe-endpoint --endpoint-type iot:Data-ATS` prints it"
                );
                Some(signer.elsewhere().map_or_else(|| format!("https://{host}"), str::to_owned))
            }
        };
        Ok(Self { signer, place })
    }
}

#[async_trait]
impl Devices for Broker {
    async fn publish(&self, message: &DeviceMessage) -> Result<(), Failure> {
        let topic = message.topic().as_str();
        let Some(place) = &self.place else {
            return Err(Failure::refuse(
                501,
                format!(
                    "nothing can be published to {topic}: {PLACE} is not set — to mend it: set it to what \
                         `aws iot describe-endpoint --endpoint-type iot:Data-ATS` prints"
                ),
            ));
        };
        let path = utf8_percent_encode(topic, ENCODED);
        let retain = message.is_retained();
        let request = http::Request::post(format!("{place}/topics/{path}?qos=1&retain={retain}"))
            .header(http::header::CONTENT_TYPE, "application/octet-stream")
            .body(message.payload().clone())
            .map_err(|_| Failure::bug("a device's topic is no path"))?;
        let answer = self.signer.send_once(SERVICE, request).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        let named = answer.headers().get(ERROR_TYPE).and_then(|name| name.to_str().ok());
        let code = named.map_or_else(|| in_the_body(answer.body()), |name| name.to_owned());
        // `ThrottlingException:http://internal…`
        let code = code.split(':').next().unwrap_or_default();
        Err(answers::refused("AWS IoT", topic, answer.status().as_u16(), code))
    }
}

/// Where a body names what is wrong.
fn in_the_body(body: &[u8]) -> String {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Said {
        #[serde(rename = "__type", alias = "code")]
        kind: String,
    }
    let said: Said = serde_json::from_slice(body).unwrap_or_default();
    said.kind.rsplit('#').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
