//! Reading: one pass over the bytes, with a stack of the arrays and objects that are open.

use super::{Fault, MAX_BYTES, MAX_DEPTH, MAX_NUMBER_LENGTH, Node, Tree, Value, path_of};
use std::{borrow::Cow, ops::ControlFlow};

/// A node is unfinished while its end is this.
const OPEN: u32 = 0;

impl<'a> Tree<'a> {
    /// Reads one JSON value and nothing after it.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let fault = |offset, problem: &str| Fault { path: String::new(), offset, problem: problem.into() };
        if bytes.len() > MAX_BYTES {
            return Err(fault(MAX_BYTES, "it is longer than 64 MiB"));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Reader::new(text).document().map_err(|fault| *fault),
            Err(error) => {
                let offset = error.valid_up_to();
                let text = std::str::from_utf8(&bytes[..offset]).unwrap_or_default();
                match Reader::new(text).document() {
                    // What precedes the bad byte has a fault of its own.
                    Err(earlier) if earlier.offset < offset => Err(*earlier),
                    Err(here) => Err(Fault { problem: "this is not UTF-8".into(), ..*here }),
                    Ok(_) => Err(fault(offset, "this is not UTF-8")),
                }
            }
        }
    }
}

/// The text of a JSON string, which is given with its quotes.
pub(crate) fn unescaped(literal: &str) -> Option<Cow<'_, str>> {
    let mut reader = Reader { text: literal, at: 0, nodes: Vec::new(), open: Vec::new() };
    reader.string().ok().filter(|_| reader.at == literal.len() && literal.starts_with('"'))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    nodes: Vec<Node<'a>>,
    open: Vec<u32>,
}

type Read<T> = Result<T, Box<Fault>>;

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        // A member takes about this much text, so the list seldom grows and never starts far too long.
        let nodes = Vec::with_capacity(text.len() / 24 + 1);
        Reader { text, at: 0, nodes, open: Vec::new() }
    }

    fn document(mut self) -> Read<Tree<'a>> {
        self.space();
        self.value(Cow::Borrowed(""))?;
        while let Some(&container) = self.open.last() {
            if self.member_follows(container)?.is_break() {
                continue;
            }
            let key = if self.nodes[container as usize].value == Value::Object {
                self.key()?
            } else {
                Cow::Borrowed("")
            };
            self.value(key)?;
        }
        self.space();
        match self.peek() {
            None => Ok(Tree { nodes: self.nodes }),
            Some(_) => Err(self.expected("nothing after the value")),
        }
    }

    /// Steps over a comma to the next member, or over the bracket that closes `container`.
    fn member_follows(&mut self, container: u32) -> Read<ControlFlow<()>> {
        let is_first = self.nodes.len() == container as usize + 1;
        let is_object = self.nodes[container as usize].value == Value::Object;
        let close = if is_object { b'}' } else { b']' };
        self.space();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.nodes[container as usize].end = self.nodes.len() as u32;
                self.open.pop();
                return Ok(ControlFlow::Break(()));
            }
            Some(b',') if !is_first => {
                self.at += 1;
                self.space();
            }
            _ if is_first => {}
            _ => return Err(self.expected(if is_object { "a comma or }" } else { "a comma or ]" })),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn key(&mut self) -> Read<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        let key = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.expected("a colon after the key"));
        }
        self.at += 1;
        self.space();
        Ok(key)
    }

    fn value(&mut self, key: Cow<'a, str>) -> Read<()> {
        let index = self.nodes.len();
        let parent = self.open.last().copied().unwrap_or_default();
        let offset = self.at as u32;
        self.nodes.push(Node { key, value: Value::Null, offset, parent, end: OPEN });
        let value = match self.peek() {
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b'{') => self.opened(index, Value::Object)?,
            Some(b'[') => self.opened(index, Value::Array)?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            _ => return Err(self.expected("a value")),
        };
        let node = &mut self.nodes[index];
        node.end = if value.is_composite() { OPEN } else { index as u32 + 1 };
        node.value = value;
        Ok(())
    }

    fn opened(&mut self, index: usize, value: Value<'a>) -> Read<Value<'a>> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.fault(self.at, format!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(index as u32);
        self.at += 1;
        Ok(value)
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Read<Value<'a>> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Read<&'a str> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.digits() {
            0 => return Err(self.expected("a digit")),
            1 => {}
            _ if self.text[start..].trim_start_matches('-').starts_with('0') => {
                return Err(self.fault(start, "a number starts with 0".into()));
            }
            _ => {}
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.expected("a digit after the point"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(self.expected("a digit in the exponent"));
            }
        }
        if self.at - start > MAX_NUMBER_LENGTH {
            let problem = format!("a number is longer than {MAX_NUMBER_LENGTH} characters");
            return Err(self.fault(start, problem));
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        count
    }

    /// Reads a string at its opening quote. Without escapes it is borrowed.
    fn string(&mut self) -> Read<Cow<'a, str>> {
        let opening = self.at;
        self.at += 1;
        let mut decoded = String::new();
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            let Some(plain) = plain else {
                self.at = self.text.len();
                return Err(self.expected("the double quote that ends the string"));
            };
            let part = &self.text[self.at..self.at + plain];
            self.at += plain;
            match rest[plain] {
                b'"' => {
                    let is_plain = self.at - opening - 1 == part.len();
                    self.at += 1;
                    decoded.push_str(if is_plain { "" } else { part });
                    return Ok(if is_plain { Cow::Borrowed(part) } else { Cow::Owned(decoded) });
                }
                b'\\' => {
                    decoded.push_str(part);
                    decoded.push(self.escape()?);
                }
                byte => {
                    let problem = format!("the control character {byte:#04x} stands in a string, unescaped");
                    return Err(self.fault(self.at, problem));
                }
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let start = self.at;
        self.at += 1;
        let escaped = match self.peek() {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'u') => return self.unicode_escape(start),
            None => return Err(self.expected("an escaped character")),
            Some(_) => return Err(self.fault(start, "this escape is none of JSON's".into())),
        };
        self.at += 1;
        Ok(escaped)
    }

    fn unicode_escape(&mut self, start: usize) -> Read<char> {
        let first = self.hex_unit()?;
        let code = match first {
            0xD800..0xDC00 if self.text[self.at..].starts_with("\\u") => {
                self.at += 1;
                let second = self.hex_unit()?;
                match second {
                    0xDC00..0xE000 => 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => first,
                }
            }
            _ => first,
        };
        let lone = || self.fault(start, "half of a surrogate pair is no character".into());
        char::from_u32(code).ok_or_else(lone)
    }

    /// Reads `uXXXX`.
    fn hex_unit(&mut self) -> Read<u32> {
        self.at += 1;
        let digits = self.text.as_bytes().get(self.at..self.at + 4).unwrap_or_default();
        let mut unit = 0;
        for digit in digits {
            let Some(value) = char::from(*digit).to_digit(16) else { break };
            unit = unit * 16 + value;
            self.at += 1;
        }
        let is_whole = digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit);
        if is_whole { Ok(unit) } else { Err(self.expected("four hexadecimal digits after \\u")) }
    }

    fn space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at +=
            rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).unwrap_or(rest.len());
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[cold]
    fn expected(&self, what: &str) -> Box<Fault> {
        let found = self.text[self.at.min(self.text.len())..].chars().next();
        let found = found.map_or("the end".to_owned(), |found| format!("{found:?}"));
        self.fault(self.at, format!("expected {what}, found {found}"))
    }

    #[cold]
    fn fault(&self, offset: usize, problem: String) -> Box<Fault> {
        let open = self.open.last().map_or(Tree::ROOT, |index| *index as usize);
        let unfinished = self.nodes.last().filter(|node| node.end == OPEN).map(|_| self.nodes.len() - 1);
        let path = path_of(&self.nodes, unfinished.unwrap_or(open).min(self.nodes.len().saturating_sub(1)));
        Box::new(Fault { path, offset, problem })
    }
}
