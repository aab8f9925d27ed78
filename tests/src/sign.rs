//! Requests signed as Twilio and Slack sign them, written a second time on purpose: the bridges' and the
//! sandbox's own code is under test. The official clients check all three (see `clients`).

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use crate::{HUB_NUMBER, PUBLIC, SLACK_SECRET, TWILIO_ACCOUNT, TWILIO_TOKEN};

/// A request to a door.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The path, with its query.
    pub path: String,
    /// `Content-Type`.
    pub content_type: String,
    /// The headers that carry the signature.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// The form of an incoming text with the fields that Twilio sends.
pub fn text_form(sid: &str, from: &str, body: &str) -> Vec<(String, String)> {
    let fields = [
        ("ToCountry", "US"),
        ("SmsMessageSid", sid),
        ("NumMedia", "0"),
        ("FromZip", ""),
        ("SmsSid", sid),
        ("SmsStatus", "received"),
        ("Body", body),
        ("FromCountry", "US"),
        ("To", HUB_NUMBER),
        ("NumSegments", "1"),
        ("MessageSid", sid),
        ("AccountSid", TWILIO_ACCOUNT),
        ("From", from),
        ("ApiVersion", "2010-04-01"),
    ];
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A signed webhook of Twilio's.
pub fn twilio(path: &str, form: &[(String, String)]) -> Signed {
    twilio_with(TWILIO_TOKEN, path, form)
}

/// The same with another token.
pub fn twilio_with(token: &str, path: &str, form: &[(String, String)]) -> Signed {
    let mut sorted: Vec<_> = form.iter().collect();
    sorted.sort();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("any key");
    mac.update(format!("{PUBLIC}{path}").as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    Signed {
        path: path.into(),
        content_type: "application/x-www-form-urlencoded".into(),
        headers: vec![("X-Twilio-Signature".into(), signature)],
        body: form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish(),
    }
}

/// A signed request of Slack's at this time, in seconds.
pub fn slack(path: &str, content_type: &str, body: &str, at: u64) -> Signed {
    let mut mac = Hmac::<Sha256>::new_from_slice(SLACK_SECRET.as_bytes()).expect("any key");
    mac.update(format!("v0:{at}:{body}").as_bytes());
    let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    Signed {
        path: path.into(),
        content_type: content_type.into(),
        headers: vec![
            ("X-Slack-Signature".into(), signature),
            ("X-Slack-Request-Timestamp".into(), at.to_string()),
        ],
        body: body.into(),
    }
}

/// Seconds since 1970.
pub fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs()
}

impl Signed {
    /// The request to the hub at this address.
    pub fn request(&self, client: &reqwest::Client, base: &str) -> reqwest::RequestBuilder {
        let mut request = client
            .post(format!("{base}{}", self.path))
            .header("Content-Type", &self.content_type)
            .body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
    }

    /// Sends it; gives the status and the body, or status 0 when there is no answer.
    pub async fn send(&self, client: &reqwest::Client, base: &str) -> (u16, String) {
        match self.request(client, base).send().await {
            Ok(response) => (response.status().as_u16(), response.text().await.unwrap_or_default()),
            Err(_) => (0, String::new()),
        }
    }
}
