//! One pass through an event, into the subtrees that rules look at and over all others.
//!
//! The event is taken to be valid JSON and is not checked again. Where it turns out not to be, the walk gives up and
//! the event is read in full, which says what is wrong with it. An explicit stack, as an event may be nested more
//! deeply than a thread's stack is.

use super::{
    keys::{Keys, Step},
    seen::{Kind, Raw, Seen},
    skim::Skim,
};
use crate::{
    json::{self, MAX_DEPTH},
    number,
};
use std::borrow::Cow;

/// An array or object that the walk has entered: where it is, whether it is an array, and whether it stands inside an
/// element of one, as everything in it then does. One word, as it is put away and taken back for every array.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open(u32);

impl Open {
    const ARRAY: u32 = 1;
    const IN_ELEMENT: u32 = 2;

    fn root() -> Self {
        Open(Keys::ROOT << 2)
    }

    fn is_array(self) -> bool {
        self.0 & Open::ARRAY != 0
    }

    fn in_element(self) -> bool {
        self.0 & Open::IN_ELEMENT != 0
    }

    fn step(self) -> Step {
        self.0 >> 2
    }

    /// What stands at `step` directly within this.
    fn enter(self, step: Step, is_array: bool) -> Self {
        let in_element = self.0 & Open::IN_ELEMENT | (self.0 & Open::ARRAY) << 1;
        Open(step << 2 | in_element | u32::from(is_array))
    }
}

/// Puts into `seen` every value at a path of `keys`. `None` if the text cannot be read.
pub(super) fn walk(text: &str, keys: &Keys, stack: &mut Vec<Open>, seen: &mut Seen) -> Option<()> {
    let bytes = text.as_bytes();
    let mut skim = Skim::new(bytes);
    let mut here = Open::root();
    stack.clear();
    let mut at = space(bytes, 0);
    if *bytes.get(at)? != b'{' {
        return None;
    }
    at = space(bytes, at + 1);
    let (mut is_first, mut was_searched, mut met) = (true, false, 0);
    loop {
        let close = if here.is_array() { b']' } else { b'}' };
        match *bytes.get(at)? {
            byte if byte == close => {
                at = space(bytes, at + 1);
                is_first = false;
                match stack.pop() {
                    Some(around) => here = around,
                    None => return Some(()),
                }
                continue;
            }
            b',' if !is_first => at = space(bytes, at + 1),
            _ if is_first => is_first = false,
            _ => return None,
        }
        let mut step = Some(here.step());
        if !here.is_array() {
            let start = at + 1;
            let (end, has_escape) = (*bytes.get(at)? == b'"').then(|| skim.string_end(start))??;
            step = if has_escape {
                let key = json::unescaped(text.get(at..end + 1)?)?;
                keys.after(here.step(), key.as_bytes(), 0, key.len())
            } else {
                keys.after(here.step(), bytes, start, end)
            };
            at = space(bytes, end + 1);
            if *bytes.get(at)? != b':' {
                return None;
            }
            at = space(bytes, at + 1);
        }
        let byte = *bytes.get(at)?;
        let Some(step) = step else {
            // Searched for once at most, so that the work does not grow.
            let may_be_over = matches!(byte, b'{' | b'[') && stack.is_empty() && !was_searched;
            was_searched |= may_be_over;
            if may_be_over && keys.is_over(&bytes[at..], met) {
                return Some(());
            }
            at = space(bytes, pass(bytes, &mut skim, at)?);
            continue;
        };
        met += usize::from(stack.is_empty());
        let goes_in = match byte {
            b'{' => keys.has_members(step),
            b'[' => true,
            _ => false,
        };
        if goes_in {
            if stack.len() == MAX_DEPTH {
                return None;
            }
            stack.push(here);
            here = here.enter(step, byte == b'[');
            at = space(bytes, at + 1);
            is_first = true;
            continue;
        }
        match keys.field(step) {
            Some(field) if byte != b'{' => {
                let (raw, after) = leaf(text, &mut skim, at)?;
                seen.add(field, raw, here.in_element());
                at = space(bytes, after);
            }
            _ => at = space(bytes, pass(bytes, &mut skim, at)?),
        }
    }
}

/// The byte after the value at `at`.
#[inline]
fn pass(bytes: &[u8], skim: &mut Skim<'_>, at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => Some(skim.string_end(at + 1)?.0 + 1),
        b'{' | b'[' => skim.close_of(at),
        _ => Some(at + plain_length(&bytes[at..])),
    }
}

/// Reads the value at `at`, which is neither array nor object; and the byte after it.
#[inline(always)]
fn leaf(text: &str, skim: &mut Skim<'_>, at: usize) -> Option<(Raw, usize)> {
    let bytes = text.as_bytes();
    let raw = |kind, start: usize, end: usize| Raw { kind, start: start as u32, end: end as u32 };
    if bytes[at] == b'"' {
        let (end, has_escape) = skim.string_end(at + 1)?;
        let kind = if has_escape { Kind::Escaped } else { Kind::Plain };
        return Some((raw(kind, at + 1, end), end + 1));
    }
    if matches!(bytes[at], b'-' | b'0'..=b'9') {
        let (end, decimal) = number::scan(bytes, at)?;
        return Some((raw(decimal.map_or(Kind::Number, Kind::Decimal), at, end), end));
    }
    let end = at + plain_length(&bytes[at..]);
    let kind = match &bytes[at..end] {
        b"null" => Kind::Null,
        b"true" => Kind::True,
        b"false" => Kind::False,
        _ => return None,
    };
    Some((raw(kind, at, end), end))
}

/// How far a number or a word goes.
#[inline]
fn plain_length(rest: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
    rest.iter().position(ends).unwrap_or(rest.len())
}

#[inline]
fn space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The text of a string, decoded if it has escapes.
pub(super) fn decoded(text: &str, raw: Raw) -> Option<Cow<'_, str>> {
    match raw.kind {
        Kind::Plain => Some(Cow::Borrowed(text.get(raw.range())?)),
        _ => json::unescaped(text.get(raw.start as usize - 1..raw.end as usize + 1)?),
    }
}
