//! Reads what a caller sent, in every shape that the official clients use.
//!
//! Slack's Python client sends JSON for chat and forms for files, the Node client sends everything as a
//! form and files as multipart; Twilio's clients send forms, and a query when they list. All become
//! [`Params`]. Multipart is read here rather than with a library: parts in memory are all that is needed.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

/// The largest body that is read: a file of Twilio's largest media with room for multipart's lines.
pub(crate) const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// Named parameters. A name that came more than once holds an array.
#[derive(Default, Clone)]
pub(crate) struct Params(pub(crate) Map<String, Value>);

impl Params {
    /// From the query and the body; the error says what could not be read.
    pub(crate) fn read(
        headers: &HeaderMap,
        query: Option<&str>,
        body: &[u8],
    ) -> Result<Params, &'static str> {
        let mut params = Params::default();
        params.add_form(query.unwrap_or_default().as_bytes());
        let content_type = content_type(headers);
        if body.is_empty() {
            return Ok(params);
        }
        if content_type.starts_with("application/json") {
            match serde_json::from_slice(body) {
                Ok(Value::Object(fields)) if params.0.is_empty() => params.0 = fields,
                Ok(Value::Object(fields)) => params.0.extend(fields),
                Ok(_) => return Err("json_not_object"),
                Err(_) => return Err("invalid_json"),
            }
        } else if content_type.starts_with("multipart/form-data") {
            for part in parts(content_type, body).ok_or("invalid_form_data")? {
                if part.file_name.is_none() {
                    params.add(part.name, String::from_utf8_lossy(&part.bytes).into_owned());
                }
            }
        } else {
            params.add_form(body);
        }
        Ok(params)
    }

    fn add_form(&mut self, form: &[u8]) {
        for (name, value) in form_urlencoded::parse(form) {
            self.add(name.into_owned(), value.into_owned());
        }
    }

    fn add(&mut self, name: String, value: String) {
        match self.0.get_mut(&name) {
            None => {
                self.0.insert(name, Value::String(value));
            }
            Some(Value::Array(values)) => values.push(Value::String(value)),
            Some(first) => *first = Value::Array(vec![first.take(), Value::String(value)]),
        }
    }

    /// A scalar as text; absent when missing or null. The first of several.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.0.get(name)? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            Value::Bool(yes) => Some(Cow::Borrowed(if *yes { "true" } else { "false" })),
            Value::Array(values) => values.first()?.as_str().map(Cow::Borrowed),
            _ => None,
        }
    }

    /// As [`text`](Params::text), without empty values.
    pub(crate) fn filled(&self, name: &str) -> Option<Cow<'_, str>> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// Every value of a repeated name.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        match self.0.get(name) {
            Some(Value::Array(values)) => {
                values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
            }
            Some(_) => self.text(name).map(Cow::into_owned).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// True for `true` and `1`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.text(name).as_deref(), Some("true" | "1" | "True"))
    }

    /// A structure: itself in JSON, or JSON in a form's string. Missing, null and empty are `None`.
    pub(crate) fn json(&self, name: &str) -> Result<Option<Value>, serde_json::Error> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text).map(Some),
            Some(value) => Ok(Some(value.clone())),
        }
    }
}

/// The media type, or nothing.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// One part of a multipart body.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    pub(crate) bytes: Bytes,
}

/// The parts of a multipart/form-data body (RFC 7578), or `None` when it is none.
pub(crate) fn parts(content_type: &str, body: &[u8]) -> Option<Vec<Part>> {
    let boundary = content_type.split(';').find_map(|field| field.trim().strip_prefix("boundary="))?;
    let mark = format!("\r\n--{}", boundary.trim_matches('"'));
    let first = body.strip_prefix(&mark.as_bytes()[2..])?;
    let mut rest = first;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let head_end = find(rest, b"\r\n\r\n")?;
        let (head, after) = (&rest[..head_end], &rest[head_end + 4..]);
        let end = find(after, mark.as_bytes())?;
        let head = String::from_utf8_lossy(head);
        parts.push(Part {
            name: quoted(&head, "name").unwrap_or_default(),
            file_name: quoted(&head, "filename"),
            bytes: Bytes::copy_from_slice(&after[..end]),
        });
        rest = &after[end + mark.len()..];
    }
    Some(parts)
}

/// The quoted value of a Content-Disposition's field.
fn quoted(head: &str, field: &str) -> Option<String> {
    let start = [format!("; {field}=\""), format!(";{field}=\"")]
        .iter()
        .find_map(|lead| head.find(lead.as_str()).map(|at| at + lead.len()))?;
    let end = head[start..].find('"')?;
    Some(head[start..start + end].to_owned())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| *byte == first) {
        if haystack[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multipart_body_is_taken_apart() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"n.bin\"\r\nContent-Type: image/png\r\n\r\n\r\n--\r\n\r\n--x--\r\n";
        let found = parts("multipart/form-data; boundary=x", body).unwrap();
        assert_eq!((found[0].name.as_str(), &found[0].bytes[..]), ("a", b"one".as_slice()));
        assert_eq!(
            (found[1].file_name.as_deref(), &found[1].bytes[..]),
            (Some("n.bin"), b"\r\n--\r\n".as_slice())
        );
        assert!(parts("multipart/form-data; boundary=x", b"--x\r\nno end").is_none());
    }

    #[test]
    fn a_repeated_name_keeps_every_value() {
        let params = Params::read(&HeaderMap::new(), Some("a=1&a=2"), b"b=3").unwrap();
        assert_eq!(params.all("a"), ["1", "2"]);
        assert_eq!(params.all("b"), ["3"]);
    }
}
