//! Status callbacks: <https://www.twilio.com/docs/messaging/guides/track-outbound-message-status>
//!
//! A signed form to the StatusCallback URL. The signature is over that URL exactly as the hub gave it, with
//! its query. One attempt, and a second when no connection could be made.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::carry::Journey;
use super::texts::Text;
use super::wire::explain;
use crate::house::House;
use crate::ids::uuid;
use crate::signing;
use crate::webhooks::{Attempt, NoAnswer, Webhook};

/// Tells the hub what became of a text.
pub(crate) async fn send(house: &Arc<House>, text: &Text, journey: &Journey) {
    let Some(url) = text.status_callback.as_deref().filter(|_| journey.callbacks) else { return };
    let parameters = parameters(house, text);
    let copies = (0..journey.copies).map(|_| post(house, "webhook.status", url, &parameters, text));
    futures::future::join_all(copies).await;
}

fn parameters(house: &House, text: &Text) -> Vec<(String, String)> {
    let mut parameters = vec![
        ("MessageSid", text.sid.clone()),
        ("SmsSid", text.sid.clone()),
        ("AccountSid", house.settings.twilio.account_sid.clone()),
        ("From", text.from.clone()),
        ("To", text.to.clone()),
        ("MessageStatus", text.status.to_string()),
        ("SmsStatus", text.status.to_string()),
        ("ApiVersion", "2010-04-01".into()),
    ];
    if let Some(service) = &text.messaging_service_sid {
        parameters.push(("MessagingServiceSid", service.clone()));
    }
    if let Some(code) = text.error_code {
        parameters.push(("ErrorCode", code.to_string()));
        parameters.push(("ErrorMessage", explain(code).into()));
    }
    if matches!(&*text.status, "delivered" | "undelivered") {
        let done = Timestamp::from_millisecond(text.updated_ms as i64).unwrap_or_default();
        parameters.push(("RawDlrDoneDate", done.strftime("%y%m%d%H%M").to_string()));
    }
    parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Posts a signed form as Twilio does, with one more attempt when no connection could be made.
pub(crate) async fn post(
    house: &Arc<House>,
    kind: &'static str,
    url: &str,
    parameters: &[(String, String)],
    text: &Text,
) -> Attempt {
    // A fragment holds connection overrides; it is neither sent nor signed.
    let url = url.split('#').next().unwrap_or(url);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mut webhook = Webhook {
        provider: "twilio",
        kind,
        url: house.reachable(url),
        headers: vec![
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8".into()),
            ("accept", "*/*".into()),
            ("i-twilio-idempotency-token", uuid()),
            ("x-home-region", "us1".into()),
            ("x-twilio-signature", signing::twilio(&house.settings.twilio.auth_token, url, parameters)),
        ],
        body: body.into(),
        within: Duration::from_millis(house.behaviour().twilio_timeout_ms),
        id: text.sid.clone(),
        key: text.phone().to_owned(),
        retry: 0,
    };
    let attempt = house.send(webhook.clone()).await;
    if attempt.no_answer != Some(NoAnswer::ConnectionFailed) {
        return attempt;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    webhook.retry = 1;
    house.send(webhook).await
}
