//! Twilio's payloads: a message, an error, times.
//!
//! Shapes: `twilio_api_v2010.json` of twilio-oai. Error codes: <https://www.twilio.com/docs/api/errors>.

use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::{Value, json};

use super::texts::Text;
use crate::answer;

/// An error of the API: its code, HTTP status and sentence.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) code: u32,
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn bad(code: u32, message: impl Into<String>) -> ApiError {
        ApiError { code, status: 400, message: message.into() }
    }

    pub(crate) fn authenticate() -> ApiError {
        ApiError { code: 20003, status: 401, message: "Authenticate".into() }
    }

    pub(crate) fn not_found(path: &str) -> ApiError {
        let message = format!("The requested resource /2010-04-01/{path} was not found");
        ApiError { code: 20404, status: 404, message }
    }

    pub(crate) fn too_many() -> ApiError {
        ApiError { code: 20429, status: 429, message: "Too Many Requests".into() }
    }

    pub(crate) fn response(&self) -> Response {
        let more_info = format!("https://www.twilio.com/docs/errors/{}", self.code);
        let body = json!({
            "code": self.code, "message": self.message, "more_info": more_info, "status": self.status,
        });
        answer::json(StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST), &body)
    }
}

/// A time as the API writes it: `Sun, 22 Nov 2026 05:00:00 +0000`.
pub(crate) fn rfc2822(ms: u64) -> Option<String> {
    let time = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    rfc2822::to_string(&time.to_zoned(jiff::tz::TimeZone::UTC)).ok()
}

impl Text {
    /// The message as the API answers it.
    pub(crate) fn wire(&self, account: &str) -> Value {
        let uri = format!("/2010-04-01/Accounts/{account}/Messages/{}", self.sid);
        json!({
            "account_sid": account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": rfc2822(self.created_ms),
            "date_sent": self.sent_ms.and_then(rfc2822),
            "date_updated": rfc2822(self.updated_ms),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": self.error_code.map(explain),
            "from": self.from,
            "messaging_service_sid": self.messaging_service_sid,
            "num_media": self.media_count().to_string(),
            "num_segments": self.segments.to_string(),
            "price": null,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": { "media": format!("{uri}/Media.json") },
            "to": self.to,
            "uri": format!("{uri}.json"),
        })
    }
}

/// What an error code of a message means.
pub(crate) fn explain(code: u32) -> &'static str {
    match code {
        11200 => "HTTP retrieval failure",
        11751 => "Media exceeds messaging provider size limit",
        12300 => "Invalid Content-Type",
        14107 => "Message rate limit exceeded",
        21610 => "Attempt to send to unsubscribed recipient",
        30001 => "Queue overflow",
        30002 => "Account suspended",
        30003 => "Unreachable destination handset",
        30004 => "Message blocked",
        30005 => "Unknown destination handset",
        30006 => "Landline or unreachable carrier",
        30007 => "Message filtered",
        30008 => "Unknown error",
        30010 => "Message price exceeds max price",
        _ => "Unknown error",
    }
}
