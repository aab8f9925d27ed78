//! Every path that a rule looks at, as a tree of keys: what tells a walk through an event where to go on and what to
//! pass over.
//!
//! A path is its keys joined with dots, and a key of a pattern or an event may have dots itself, so the tree branches
//! at each dot: `{"a.b": …}` and `{"a": {"b": …}}` lead to one place.

use super::hash::ByBytes;
use memchr::memmem::Finder;

/// A place in the tree.
pub(super) type Step = u32;

/// Members that are compared one by one; more are hashed.
const FEW: usize = 8;

/// Outermost members for which the rest of an event is searched, rather than passed over; and bytes of that rest. A
/// search is several times faster than passing, but takes one pass for each.
const FEW_OUTERMOST: usize = 2;
const WORTH_SEARCHING: usize = 128;

#[derive(Debug)]
pub(super) struct Keys {
    places: Vec<Place>,
    /// The outermost members as they begin in a text, if they are few.
    outermost: Vec<Finder<'static>>,
}

#[derive(Debug, Default)]
struct Place {
    field: Option<u32>,
    /// Where short keys lead, if there are few.
    short: Vec<(Print, Step)>,
    /// Where all keys lead.
    members: ByBytes<Step>,
    /// Whether `short` has all members.
    is_simple: bool,
}

/// A key of at most sixteen bytes, zeros after it, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print(u64, u64, usize);

impl Keys {
    pub(super) const ROOT: Step = 0;

    pub(super) fn new() -> Self {
        Keys { places: vec![Place { is_simple: true, ..Place::default() }], outermost: Vec::new() }
    }

    /// Adds a path that leads to the field of that number.
    pub(super) fn add(&mut self, path: &str, field: u32) {
        let mut step = Keys::ROOT;
        for name in path.split('.') {
            step = self.add_member(step, name.as_bytes());
        }
        self.places[step as usize].field = Some(field);
    }

    fn add_member(&mut self, step: Step, name: &[u8]) -> Step {
        let new = self.places.len() as Step;
        let place = &mut self.places[step as usize];
        if let Some(known) = place.members.get(name) {
            return *known;
        }
        place.members.insert(name.into(), new);
        match Print::of(name, 0, name.len()) {
            Some(print) if place.short.len() < FEW => place.short.push((print, new)),
            _ => place.is_simple = false,
        }
        self.places.push(Place { is_simple: true, ..Place::default() });
        new
    }

    /// To be called when all are added.
    pub(super) fn finish(&mut self) {
        let names = self.places[Keys::ROOT as usize].members.keys();
        if names.len() <= FEW_OUTERMOST {
            let beginning = |name: &[u8]| Finder::new(&[b"\"", name].concat()).into_owned();
            self.outermost = names.map(|name| beginning(name)).collect();
        }
    }

    /// Whether it is certain that the rest of an event, from within its outermost object on, has no member that
    /// anything looks at. `met` is how many outermost members were met before.
    ///
    /// Without a backslash every key is written as it is, and none of them is found.
    pub(super) fn is_over(&self, rest: &[u8], met: usize) -> bool {
        rest.len() >= WORTH_SEARCHING
            && !self.outermost.is_empty()
            && met >= self.outermost.len()
            && memchr::memchr(b'\\', rest).is_none()
            && self.outermost.iter().all(|beginning| beginning.find(rest).is_none())
    }

    /// The field whose values stand here.
    #[inline]
    pub(super) fn field(&self, step: Step) -> Option<u32> {
        self.places[step as usize].field
    }

    #[inline]
    pub(super) fn has_members(&self, step: Step) -> bool {
        !self.places[step as usize].members.is_empty()
    }

    /// Where the key `text[start..end]` leads from here.
    #[inline]
    pub(super) fn after(&self, step: Step, text: &[u8], start: usize, end: usize) -> Option<Step> {
        let place = &self.places[step as usize];
        if let Some(print) = Print::of(text, start, end) {
            let known = place.short.iter().find(|(member, _)| *member == print);
            if known.is_some() || place.is_simple && !print.has_dot() {
                return known.map(|(_, step)| *step);
            }
        }
        self.after_any(step, text.get(start..end)?)
    }

    #[inline(never)]
    fn after_any(&self, mut step: Step, key: &[u8]) -> Option<Step> {
        let member = |step: Step, key: &[u8]| self.places[step as usize].members.get(key).copied();
        if let Some(step) = member(step, key) {
            return Some(step);
        }
        if !key.contains(&b'.') {
            return None;
        }
        for part in key.split(|byte| *byte == b'.') {
            step = member(step, part)?;
        }
        Some(step)
    }
}

impl Print {
    const LONGEST: usize = 16;

    /// `None` if the key is too long.
    #[inline]
    fn of(text: &[u8], start: usize, end: usize) -> Option<Self> {
        let length = end - start;
        let [first, second] = *MASKS.get(length)?;
        if let Some(ahead) = text.get(start..).and_then(|ahead| ahead.first_chunk::<{ Print::LONGEST }>()) {
            let word = u128::from_le_bytes(*ahead);
            return Some(Print(word as u64 & first, (word >> 64) as u64 & second, length));
        }
        let mut bytes = [0; Print::LONGEST];
        bytes[..length].copy_from_slice(text.get(start..end)?);
        let word = u128::from_le_bytes(bytes);
        Some(Print(word as u64, (word >> 64) as u64, length))
    }

    /// Whether one of its bytes is a dot.
    #[inline]
    fn has_dot(self) -> bool {
        const ONES: u64 = u64::from_le_bytes([1; 8]);
        let dot = |word: u64| {
            let zero = word ^ (ONES * b'.' as u64);
            zero.wrapping_sub(ONES) & !zero & (ONES << 7)
        };
        dot(self.0) | dot(self.1) != 0
    }
}

/// For each length the bits that belong to a key of it.
const MASKS: [[u64; 2]; Print::LONGEST + 1] = {
    let mut masks = [[0; 2]; Print::LONGEST + 1];
    let mut length = 1;
    while length <= Print::LONGEST {
        masks[length] = masks[length - 1];
        let byte = length - 1;
        masks[length][byte / 8] |= 0xFF << (8 * (byte % 8));
        length += 1;
    }
    masks
};
