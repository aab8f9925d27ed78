//! Carrying out one attempt of an effect outside the writer thread, and telling the writer how it ended.

use std::sync::Arc;

use switchboard_core::Timestamp;
use switchboard_hosts::attempt;
use switchboard_hosts::http::Client;

use super::{Broker, FileBlobs, Shown};
use crate::bus::inbox::{Attempted, Inbox};
use crate::bus::log::Start;

/// What attempts stand on.
pub(crate) struct Ground {
    pub(crate) http: Client,
    pub(crate) blobs: FileBlobs,
    pub(crate) notices: Shown,
    pub(crate) devices: Broker,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Carries out one attempt. However it ends, the writer hears of it.
pub(crate) async fn carry_out(start: Start, ground: Arc<Ground>) {
    let stands_on = attempt::Ground {
        http: &ground.http,
        blobs: &ground.blobs,
        notices: &ground.notices,
        devices: &ground.devices,
        clock: &*ground.clock,
    };
    let (result, exchanges) =
        attempt::carry_out(&*start.bridge, &start.effect, start.look_since, &stands_on).await;
    ground.inbox.attempted(Attempted { effect: start.id, result, exchanges });
}
