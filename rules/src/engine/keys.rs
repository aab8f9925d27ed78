//! Every path that a rule looks at, as a tree of keys: what tells a walk through an event where to go on and what to
//! pass over.
//!
//! A path is its keys joined with dots, and a key of a pattern or an event may have dots itself, so the tree branches
//! at each dot: `{"a.b": …}` and `{"a": {"b": …}}` lead to one place.

use super::hash::{ByBytes, bytes_map};

/// A place in the tree.
pub(super) type Step = u32;

/// Members that are compared one by one; more are hashed.
const FEW: usize = 8;

/// Bytes of a key that are compared at once.
const PRINT: usize = 16;

#[derive(Debug, Clone)]
pub(super) struct Keys {
    places: Vec<Place>,
}

#[derive(Debug, Clone, Default)]
struct Place {
    field: Option<u32>,
    members: Vec<Member>,
    by_name: Option<ByBytes<Step>>,
}

#[derive(Debug, Clone)]
struct Member {
    print: u128,
    name: Box<[u8]>,
    step: Step,
}

/// A key of an event, without its quotes: `text[start..end]`.
#[derive(Clone, Copy)]
pub(super) struct Key<'t> {
    pub(super) text: &'t [u8],
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Keys {
    pub(super) const ROOT: Step = 0;

    pub(super) fn new() -> Self {
        Keys { places: vec![Place::default()] }
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
        if let Some(known) = self.member(step, Key::whole(name)) {
            return known;
        }
        let new = self.places.len() as Step;
        self.places.push(Place::default());
        let place = &mut self.places[step as usize];
        place.members.push(Member { print: Key::whole(name).print(), name: name.into(), step: new });
        if place.members.len() > FEW {
            let by_name = place.by_name.get_or_insert_with(bytes_map);
            let unlisted = if by_name.is_empty() { 0 } else { place.members.len() - 1 };
            for member in &place.members[unlisted..] {
                by_name.insert(member.name.clone(), member.step);
            }
        }
        new
    }

    /// The field whose values stand here.
    pub(super) fn field(&self, step: Step) -> Option<u32> {
        self.places[step as usize].field
    }

    pub(super) fn has_members(&self, step: Step) -> bool {
        !self.places[step as usize].members.is_empty()
    }

    /// Where a key leads from here.
    #[inline]
    pub(super) fn after(&self, step: Step, key: Key<'_>) -> Option<Step> {
        let print = key.print();
        let place = &self.places[step as usize];
        if key.len() <= PRINT && place.by_name.is_none() {
            for member in &place.members {
                if member.print == print && member.name.len() == key.len() {
                    return Some(member.step);
                }
            }
            if !has_dot(print) {
                return None;
            }
        }
        self.after_any(step, key)
    }

    fn after_any(&self, step: Step, key: Key<'_>) -> Option<Step> {
        if let Some(step) = self.member(step, key) {
            return Some(step);
        }
        let name = key.bytes();
        let mut step = name.contains(&b'.').then_some(step)?;
        for part in name.split(|byte| *byte == b'.') {
            step = self.member(step, Key::whole(part))?;
        }
        Some(step)
    }

    fn member(&self, step: Step, key: Key<'_>) -> Option<Step> {
        let place = &self.places[step as usize];
        match &place.by_name {
            Some(by_name) => by_name.get(key.bytes()).copied(),
            None => {
                place.members.iter().find(|member| *member.name == *key.bytes()).map(|member| member.step)
            }
        }
    }
}

impl<'t> Key<'t> {
    pub(super) fn whole(text: &'t [u8]) -> Self {
        Key { text, start: 0, end: text.len() }
    }

    fn len(self) -> usize {
        self.end - self.start
    }

    fn bytes(self) -> &'t [u8] {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// Its first bytes, and zeros after it.
    #[inline]
    fn print(self) -> u128 {
        let len = self.len().min(PRINT);
        let ahead = self.text.get(self.start..).unwrap_or_default();
        match ahead.first_chunk::<PRINT>() {
            Some(bytes) if len == PRINT => u128::from_le_bytes(*bytes),
            Some(bytes) => u128::from_le_bytes(*bytes) & ((1 << (8 * len)) - 1),
            None => {
                let mut bytes = [0; PRINT];
                bytes[..len].copy_from_slice(&self.bytes()[..len]);
                u128::from_le_bytes(bytes)
            }
        }
    }
}

/// Whether one of the bytes is a dot, or might be.
#[inline]
fn has_dot(print: u128) -> bool {
    const ONES: u128 = u128::from_le_bytes([1; PRINT]);
    let no_dots = print ^ (ONES * b'.' as u128);
    no_dots.wrapping_sub(ONES) & !no_dots & (ONES << 7) != 0
}
