//! `GET Messages.json`: newest first, filtered, in pages.
//! <https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources>
//!
//! A page's token names the last message of the page before, so a message that comes meanwhile shifts
//! nothing. The links are relative, as the real ones are.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::front::Answer;
use super::texts::Text;
use super::wire::ApiError;
use crate::body::Params;
use crate::house::{House, locked};

/// The page size unless asked otherwise, and the largest.
const PAGE: (usize, usize) = (50, 1_000);

pub(crate) fn list(house: &House, params: &Params) -> Result<Answer, ApiError> {
    let account = &house.settings.twilio.account_sid;
    let size = match params.filled("PageSize") {
        None => PAGE.0,
        Some(text) => match text.parse::<usize>() {
            Ok(size) if size > 0 => size.min(PAGE.1),
            _ => return Err(ApiError::bad(20006, "Invalid page size")),
        },
    };
    let page: usize = params.filled("Page").and_then(|text| text.parse().ok()).unwrap_or(0);
    let token = params.filled("PageToken");
    let after = token.as_deref().and_then(|token| token.strip_prefix("PA"));
    if page > 0 && after.is_none() {
        return Err(ApiError::bad(20006, "A page beyond the first needs its PageToken"));
    }
    let filter = Filter::read(params)?;

    let texts = locked(&house.texts);
    if after.is_some_and(|sid| texts.get(sid).is_none()) {
        return Err(ApiError::bad(20006, "Invalid PageToken"));
    }
    let mut found: Vec<&Text> =
        texts.newest_first(after).filter(|text| filter.fits(text)).take(size + 1).collect();
    let more = found.len() > size;
    found.truncate(size);

    let path = format!("/2010-04-01/Accounts/{account}/Messages.json");
    let link = |page: usize, token: Option<&str>| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in ["To", "From", "DateSent", "DateSent<", "DateSent>"] {
            if let Some(value) = params.filled(name) {
                query.append_pair(name, &value);
            }
        }
        query.append_pair("PageSize", &size.to_string()).append_pair("Page", &page.to_string());
        if let Some(token) = token {
            query.append_pair("PageToken", token);
        }
        format!("{path}?{}", query.finish())
    };
    let next = found.last().filter(|_| more).map(|last| link(page + 1, Some(&format!("PA{}", last.sid))));
    let body = json!({
        "messages": found.iter().map(|text| text.wire(account)).collect::<Vec<_>>(),
        "page": page,
        "page_size": size,
        "start": page * size,
        "end": (page * size + found.len()).saturating_sub(1),
        "uri": link(page, token.as_deref()),
        "first_page_uri": link(0, None),
        "next_page_uri": next,
        // The way back is not offered beyond the second page; nobody walks it.
        "previous_page_uri": (page == 1).then(|| link(0, None)),
    });
    Ok(Answer::json(StatusCode::OK, &body))
}

struct Filter {
    to: Option<String>,
    from: Option<String>,
    /// A message that was not sent yet has no such date and fits no range, as in the real list.
    sent: Option<(u64, u64)>,
}

impl Filter {
    fn read(params: &Params) -> Result<Filter, ApiError> {
        let mut range = (0, u64::MAX);
        let mut ranged = false;
        for (name, from_below, to_above) in
            [("DateSent", true, true), ("DateSent>", true, false), ("DateSent<", false, true)]
        {
            let Some(text) = params.filled(name) else { continue };
            let (start, end) = day_or_second(&text)
                .ok_or_else(|| ApiError::bad(20001, format!("Invalid date in {name}")))?;
            ranged = true;
            if from_below {
                range.0 = range.0.max(start);
            }
            if to_above {
                range.1 = range.1.min(end);
            }
        }
        let owned = |name| params.filled(name).map(std::borrow::Cow::into_owned);
        Ok(Filter { to: owned("To"), from: owned("From"), sent: ranged.then_some(range) })
    }

    fn fits(&self, text: &Text) -> bool {
        self.to.as_deref().is_none_or(|to| text.to == to)
            && self.from.as_deref().is_none_or(|from| text.from == from)
            && self
                .sent
                .is_none_or(|(start, end)| text.sent_ms.is_some_and(|sent| (start..=end).contains(&sent)))
    }
}

/// The first and last millisecond of a day in GMT, or of a second.
fn day_or_second(text: &str) -> Option<(u64, u64)> {
    let (start, length) = match text.parse::<Timestamp>() {
        Ok(time) => (time.as_second() * 1_000, 1_000),
        Err(_) => {
            let day: jiff::civil::Date = text.parse().ok()?;
            let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
            (midnight.timestamp().as_millisecond(), 86_400_000)
        }
    };
    let start = u64::try_from(start).ok()?;
    Some((start, start + length - 1))
}
