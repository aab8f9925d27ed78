//! The outside as this host reaches it: the providers over HTTP, files in the data directory, devices
//! by an MQTT broker, notices that are shown, and the tasks in which effects are carried out.

mod blobs;
mod carry_out;
mod devices;
mod mqtt_url;
mod notices;
mod old_files;

pub(crate) use blobs::FileBlobs;
pub(crate) use carry_out::{Ground, carry_out};
pub(crate) use devices::Broker;
pub(crate) use mqtt_url::MqttUrl;
pub(crate) use notices::Shown;
pub(crate) use old_files::{OldFiles, collect_files};
