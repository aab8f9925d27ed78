//! A phone texts the hub: <https://www.twilio.com/docs/messaging/guides/webhook-request>
//!
//! The form has every field of the real one. STOP, START and HELP are minded by Twilio itself, and the
//! message still reaches the hub. A TwiML answer is sent to the phone.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::create::{is_e164, queue};
use super::opt_out::Word;
use super::texts::{InboundMedia, Text};
use super::{callbacks, segments, twiml};
use crate::house::{House, locked};
use crate::ids::{now_ms, sid};
use crate::refusal::Refusal;
use crate::sent_media::SentMedia;
use crate::store::Entry;
use crate::webhooks::Attempt;

/// What a phone is told to send.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextFromPhone {
    #[serde(default)]
    pub(crate) body: String,
    /// The account's first number unless given.
    pub(crate) to: Option<String>,
    #[serde(default)]
    pub(crate) media: Vec<SentMedia>,
    /// How many times the same webhook is sent, all at once.
    pub(crate) copies: Option<usize>,
    /// Further parameters, or others in place of the usual ones.
    #[serde(default)]
    pub(crate) extra: Map<String, Value>,
}

/// Sends the text and says how it was received; a refusal says why not.
pub(crate) async fn text_the_hub(
    house: &Arc<House>,
    phone: &str,
    sent: TextFromPhone,
) -> Result<Value, Refusal> {
    let account = &house.settings.twilio;
    if !is_e164(phone) {
        return Err("a phone's number is written like +15550100123".into());
    }
    let to = match &sent.to {
        Some(to) if account.numbers.contains(to) => to.clone(),
        Some(_) => return Err("\"to\" is none of the account's numbers".into()),
        None => account.numbers.first().cloned().ok_or("the account has no number to text")?,
    };
    let (text, parameters) = accept(house, phone, &to, &sent)?;
    let automatic = mind_opt_out(house, &text);

    let url = format!("{}/twilio/messages", house.settings.public_base);
    let copies = (0..sent.copies.unwrap_or(1).clamp(1, 1_000))
        .map(|_| callbacks::post(house, "webhook.messages", &url, &parameters, &text));
    let mut attempts = futures::future::join_all(copies).await;
    if let Some(path) = &house.behaviour().twilio_fallback_path
        && !attempts.iter().any(Attempt::succeeded)
    {
        let url = format!("{}{path}", house.settings.public_base);
        let mut parameters = parameters;
        parameters.push(("ErrorCode".into(), "11200".into()));
        parameters.push(("ErrorUrl".into(), format!("{}/twilio/messages", house.settings.public_base)));
        attempts.push(callbacks::post(house, "webhook.messages", &url, &parameters, &text).await);
    }
    let replies = reply(house, &text, &attempts);
    Ok(json!({
        "sid": text.sid,
        "webhook": attempts.last(),
        "webhooks": attempts,
        "automatic_reply": automatic,
        "replies": replies,
    }))
}

/// Makes the message and its form.
fn accept(
    house: &House,
    phone: &str,
    to: &str,
    sent: &TextFromPhone,
) -> Result<(Text, Vec<(String, String)>), String> {
    let account = &house.settings.twilio;
    let now = now_ms();
    let message_sid = sid(if sent.media.is_empty() { "SM" } else { "MM" });
    let mut kept = Vec::new();
    for file in &sent.media {
        kept.push(Arc::new(InboundMedia {
            sid: sid("ME"),
            message_sid: message_sid.clone(),
            content_type: file.content_type.clone(),
            created_ms: now,
            bytes: file.bytes()?,
        }));
    }
    let text = Text {
        sid: message_sid,
        direction: "inbound".into(),
        from: phone.to_owned(),
        to: to.to_owned(),
        segments: segments::count(&sent.body),
        body: sent.body.clone(),
        status: "received".into(),
        error_code: None,
        messaging_service_sid: None,
        status_callback: None,
        media_urls: Vec::new(),
        fetched: Vec::new(),
        media_sids: kept.iter().map(|media| media.sid.clone()).collect(),
        automatic: false,
        created_ms: now,
        updated_ms: now,
        sent_ms: Some(now),
    };
    let mut fields: Vec<(String, String)> = [
        ("ToCountry", "US"),
        ("ToState", ""),
        ("SmsMessageSid", &text.sid),
        ("NumMedia", &kept.len().to_string()),
        ("ToCity", ""),
        ("FromZip", ""),
        ("SmsSid", &text.sid),
        ("FromState", ""),
        ("SmsStatus", "received"),
        ("FromCity", ""),
        ("Body", &text.body),
        ("FromCountry", "US"),
        ("To", to),
        ("ToZip", ""),
        ("NumSegments", &text.segments.to_string()),
        ("ReferralNumMedia", "0"),
        ("MessageSid", &text.sid),
        ("AccountSid", &account.account_sid),
        ("From", phone),
        ("ApiVersion", "2010-04-01"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (n, media) in kept.iter().enumerate() {
        let url = format!(
            "{}/twilio/2010-04-01/Accounts/{}/Messages/{}/Media/{}",
            house.settings.own_base, account.account_sid, text.sid, media.sid
        );
        fields.push((format!("MediaUrl{n}"), url));
        fields.push((format!("MediaContentType{n}"), media.content_type.clone()));
    }
    if let Some(service) = &account.messaging_service_sid {
        fields.push(("MessagingServiceSid".into(), service.clone()));
    }
    if let Some(word) = Word::read(&text.body).filter(|_| house.behaviour().twilio_advanced_opt_out) {
        fields.push(("OptOutType".into(), word.opt_out_type().into()));
    }
    for (name, value) in &sent.extra {
        fields.retain(|(known, _)| known != name);
        fields.push((name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    let mut texts = locked(&house.texts);
    for media in kept {
        house.keep(&Entry::Media(Arc::clone(&media)));
        texts.put_media(media);
    }
    house.keep(&Entry::Text(Cow::Borrowed(&text)));
    texts.put(text.clone());
    Ok((text, fields))
}

/// What Twilio does and says by itself.
fn mind_opt_out(house: &Arc<House>, text: &Text) -> Option<&'static str> {
    let word = Word::read(&text.body)?;
    let (sender, phone) = (&text.to, &text.from);
    let mut texts = locked(&house.texts);
    let was_out = texts.is_opted_out(sender, phone);
    if word != Word::Help {
        let out = word == Word::Stop;
        texts.set_opted_out(sender, phone, out);
        house.keep(&Entry::OptOut { sender: sender.into(), phone: phone.into(), out });
    }
    let reply = word.reply(was_out)?;
    let mut said = outbound(text, reply.to_owned());
    said.automatic = true;
    said.status = "delivered".into();
    house.keep(&Entry::Text(Cow::Borrowed(&said)));
    texts.put(said);
    Some(reply)
}

/// Sends what the hub answered in TwiML; says what.
fn reply(house: &Arc<House>, text: &Text, attempts: &[Attempt]) -> Vec<String> {
    let Some(answer) = attempts.iter().find(|attempt| attempt.succeeded() && attempt.xml) else {
        return Vec::new();
    };
    let replies = twiml::replies(&String::from_utf8_lossy(&answer.body));
    for body in &replies {
        // An opted-out phone gets no reply, as with the API.
        let _ = queue(house, outbound(text, body.clone()));
    }
    replies
}

fn outbound(to_what: &Text, body: String) -> Text {
    let now = now_ms();
    Text {
        sid: sid("SM"),
        direction: "outbound-reply".into(),
        from: to_what.to.clone(),
        to: to_what.from.clone(),
        segments: segments::count(&body),
        body,
        status: "queued".into(),
        media_sids: Vec::new(),
        created_ms: now,
        updated_ms: now,
        sent_ms: None,
        ..to_what.clone()
    }
}
