//! `POST Messages.json`: <https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource>
//!
//! As with the real one there is no idempotency key: the same call twice is two texts.
//! Scheduling, content templates and link shortening are accepted and ignored.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::carry;
use super::front::Answer;
use super::segments;
use super::texts::Text;
use super::wire::ApiError;
use crate::body::Params;
use crate::house::{House, locked};
use crate::ids::{now_ms, sid};
use crate::store::Entry;

/// The longest body: <https://www.twilio.com/docs/api/errors/21617>
const LONGEST_BODY: usize = 1_600;
/// The most media: <https://www.twilio.com/docs/api/errors/21623>
const MOST_MEDIA: usize = 10;

pub(crate) fn create(house: &Arc<House>, params: &Params) -> Result<Answer, ApiError> {
    let to = params.filled("To").ok_or_else(|| ApiError::bad(21604, "A 'To' phone number is required."))?;
    let (from, service) = sender(house, params)?;
    let body = params.text("Body").unwrap_or_default();
    let media_urls: Vec<String> = params.all("MediaUrl").into_iter().filter(|url| !url.is_empty()).collect();
    check_recipient(&to)?;
    if *to == from {
        return Err(ApiError::bad(21266, "'To' and 'From' number cannot be the same"));
    }
    if body.is_empty() && media_urls.is_empty() {
        return Err(ApiError::bad(21602, "Message body is required."));
    }
    if body.chars().count() > LONGEST_BODY {
        return Err(ApiError::bad(21617, "The concatenated message body exceeds the 1600 character limit."));
    }
    if media_urls.len() > MOST_MEDIA {
        return Err(ApiError::bad(21623, "Number of media files exceeds allowed limit."));
    }
    if !media_urls.iter().all(|url| is_web_address(url)) {
        return Err(ApiError::bad(21620, "Invalid media URL(s)"));
    }
    let status_callback = params.filled("StatusCallback").map(Cow::into_owned);
    if let Some(url) = &status_callback
        && !is_web_address(url)
    {
        return Err(ApiError::bad(21609, "The StatusCallback URL is not a valid URL."));
    }

    let now = now_ms();
    let text = Text {
        sid: sid(if media_urls.is_empty() { "SM" } else { "MM" }),
        direction: "outbound-api".into(),
        from,
        to: to.into_owned(),
        segments: segments::count(&body),
        body: body.into_owned(),
        status: if service.is_some() { "accepted" } else { "queued" }.into(),
        error_code: None,
        messaging_service_sid: service,
        status_callback,
        media_urls,
        fetched: Vec::new(),
        media_sids: Vec::new(),
        automatic: false,
        created_ms: now,
        updated_ms: now,
        sent_ms: None,
    };
    let mut answer = Answer::json(StatusCode::CREATED, &text.wire(&house.settings.twilio.account_sid));
    answer.id = Some(text.sid.clone());
    queue(house, text)?;
    Ok(answer)
}

/// Puts a text into its sender's queue and sets it on its way, unless the recipient or the queue refuses.
pub(crate) fn queue(house: &Arc<House>, text: Text) -> Result<(), ApiError> {
    let limits = house.limits();
    let sid = text.sid.clone();
    let mut texts = locked(&house.texts);
    if texts.is_opted_out(&text.from, &text.to) {
        return Err(ApiError::bad(21610, "Attempt to send to unsubscribed recipient"));
    }
    let mut wait = Duration::ZERO;
    if let Some(limits) = &limits.twilio {
        wait = texts.queue(&text.from);
        if wait.as_secs_f64() > limits.queue_s {
            return Err(ApiError::bad(
                21611,
                "This 'From' number has exceeded the maximum number of queued messages",
            ));
        }
        let airtime = f64::from(text.segments) / limits.segments_per_s.max(0.001);
        texts.occupy(&text.from, Duration::from_secs_f64(airtime));
    }
    house.keep(&Entry::Text(Cow::Borrowed(&text)));
    texts.put(text);
    drop(texts);
    carry::set_out(house, sid, wait);
    Ok(())
}

/// The number that sends, and the Messaging Service that chose it.
fn sender(house: &House, params: &Params) -> Result<(String, Option<String>), ApiError> {
    let account = &house.settings.twilio;
    if let Some(service) = params.filled("MessagingServiceSid") {
        if account.messaging_service_sid.as_deref() != Some(&*service) {
            return Err(ApiError::bad(21701, "The Messaging Service does not exist"));
        }
        let first = account.numbers.first().cloned();
        let first =
            first.ok_or_else(|| ApiError::bad(21703, "The Messaging Service contains no phone numbers"))?;
        return Ok((first, Some(service.into_owned())));
    }
    let from =
        params.filled("From").ok_or_else(|| ApiError::bad(21603, "A 'From' phone number is required."))?;
    if !is_e164(&from) {
        return Err(ApiError::bad(21212, format!("Invalid From Number (caller ID): {from}")));
    }
    if !account.numbers.iter().any(|number| *number == from) {
        let message = format!(
            "The From phone number {from} is not a valid, SMS-capable inbound phone number or short code for \
             your account."
        );
        return Err(ApiError::bad(21606, message));
    }
    Ok((from.into_owned(), None))
}

/// The numbers that Twilio itself sets aside for tests fail as they do there:
/// <https://www.twilio.com/docs/iam/test-credentials#test-sms-messages>
fn check_recipient(to: &str) -> Result<(), ApiError> {
    match to {
        "+15005550002" => {
            Err(ApiError::bad(21612, "The 'To' phone number is not currently reachable via SMS"))
        }
        "+15005550003" => {
            Err(ApiError::bad(21408, "Permission to send an SMS has not been enabled for the region"))
        }
        "+15005550004" => Err(ApiError::bad(21610, "Attempt to send to unsubscribed recipient")),
        "+15005550009" => {
            Err(ApiError::bad(21614, format!("'To' number is not a valid mobile number: {to}")))
        }
        _ if to != "+15005550001" && is_e164(to) => Ok(()),
        _ => Err(ApiError::bad(21211, format!("Invalid 'To' Phone Number: {to}"))),
    }
}

/// A plus, and 8 to 15 digits of which the first is not 0.
pub(crate) fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_web_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.contains('_'))
    })
}
