//! One message: fetched, redacted, canceled, deleted. And what `doctor` asks for: the account and its numbers.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::json;

use super::front::{Answer, ApiCall};
use super::wire::ApiError;
use crate::answer;
use crate::house::{House, locked};
use crate::ids::now_ms;
use crate::store::Entry;

fn bare<'a>(call: &ApiCall<'_>, sid: &'a str) -> Result<&'a str, ApiError> {
    sid.strip_suffix(".json").ok_or_else(|| ApiError::not_found(call.path))
}

pub(crate) fn fetch(house: &House, call: &ApiCall<'_>, sid: &str) -> Result<Answer, ApiError> {
    let texts = locked(&house.texts);
    let text = texts.get(bare(call, sid)?).ok_or_else(|| ApiError::not_found(call.path))?;
    Ok(Answer::json(StatusCode::OK, &text.wire(&house.settings.twilio.account_sid)))
}

/// `Body=` empties it, `Status=canceled` stops one that is still waiting.
pub(crate) fn update(house: &House, call: &ApiCall<'_>, sid: &str) -> Result<Answer, ApiError> {
    let mut texts = locked(&house.texts);
    let text = texts.get_mut(bare(call, sid)?).ok_or_else(|| ApiError::not_found(call.path))?;
    if call.params.text("Body").is_some_and(|body| body.is_empty()) {
        if !text.is_final() {
            return Err(ApiError::bad(20009, "Cannot redact a message that is not in a terminal state"));
        }
        text.body.clear();
    }
    if call.params.text("Status").is_some_and(|status| status == "canceled") {
        if !matches!(&*text.status, "accepted" | "queued" | "scheduled") {
            return Err(ApiError::bad(30409, "Message cannot be canceled"));
        }
        text.status = "canceled".into();
    }
    text.updated_ms = now_ms();
    house.keep(&Entry::Text(Cow::Borrowed(text)));
    Ok(Answer::json(StatusCode::OK, &text.wire(&house.settings.twilio.account_sid)))
}

pub(crate) fn delete(house: &House, call: &ApiCall<'_>, sid: &str) -> Result<Answer, ApiError> {
    let sid = bare(call, sid)?;
    let mut texts = locked(&house.texts);
    match texts.get(sid) {
        None => return Err(ApiError::not_found(call.path)),
        Some(text) if !text.is_final() => {
            return Err(ApiError { code: 20009, status: 409, message: "Resource not complete".into() });
        }
        Some(_) => {}
    }
    texts.remove(sid);
    house.keep(&Entry::TextGone(sid.into()));
    Ok(Answer { response: answer::text(StatusCode::NO_CONTENT, ""), id: Some(sid.to_owned()) })
}

pub(crate) fn account(house: &House) -> Answer {
    let sid = &house.settings.twilio.account_sid;
    let body = json!({
        "sid": sid, "friendly_name": "Switchboard sandbox", "status": "active", "type": "Full",
        "uri": format!("/2010-04-01/Accounts/{sid}.json"),
    });
    Answer::json(StatusCode::OK, &body)
}

pub(crate) fn numbers(house: &House) -> Answer {
    let account = &house.settings.twilio;
    let numbers: Vec<_> = account
        .numbers
        .iter()
        .map(|number| {
            json!({
                "account_sid": account.account_sid, "phone_number": number, "friendly_name": number,
                "capabilities": { "sms": true, "mms": true, "voice": false },
                "sms_url": format!("{}/twilio/messages", house.settings.public_base), "sms_method": "POST",
            })
        })
        .collect();
    let uri = format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json", account.account_sid);
    let body = json!({
        "incoming_phone_numbers": numbers, "page": 0, "page_size": 50, "start": 0, "uri": uri,
        "end": numbers.len().saturating_sub(1), "next_page_uri": null, "previous_page_uri": null,
    });
    Answer::json(StatusCode::OK, &body)
}
