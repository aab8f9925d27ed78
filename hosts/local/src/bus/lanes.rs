//! The lanes of an ordered listener: what of each is in memory, and from where on the rest waits in the file.
//!
//! ```text
//!   lobby   waiting 12 14 19 … at most AHEAD      parked in the file from 300 on
//!   attic   waiting 13                            nothing parked
//! ```
//! What is in memory of a lane lies before what is parked of it. So one lane's backlog fills the file and not the
//! memory, and a lane of which little is in memory is *hungry*: more of it is read in, found by an index over what is
//! parked, when there is room.

use std::collections::{HashMap, VecDeque};

/// Most deliveries of one lane in memory: enough that reading in is rare, little enough that others have room.
/// In tests less, so that whatever they do meets it.
pub(crate) const AHEAD: usize = if cfg!(test) { 4 } else { 256 };

#[derive(Debug, Default)]
struct Line {
    /// In memory, in order; the first is the lane's head.
    waiting: VecDeque<i64>,
    /// The first that is in the file only.
    parked_from: Option<i64>,
    /// It is in `Lanes::hungry`.
    hungry: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lines: HashMap<String, Line>,
    hungry: VecDeque<String>,
}

impl Lanes {
    /// Puts a delivery at a lane's end; is it the head?
    pub(crate) fn push(&mut self, name: String, position: i64) -> bool {
        let line = self.lines.entry(name).or_default();
        line.waiting.push_back(position);
        line.waiting.len() == 1
    }

    /// How many of a lane are in memory; `None` where those that are parked come before this position.
    pub(crate) fn before(&self, name: &str, position: i64) -> Option<usize> {
        let Some(line) = self.lines.get(name) else { return Some(0) };
        line.parked_from.is_none_or(|from| position < from).then_some(line.waiting.len())
    }

    /// How many of a lane are in memory.
    pub(crate) fn waiting(&self, name: &str) -> usize {
        self.lines.get(name).map_or(0, |line| line.waiting.len())
    }

    /// A delivery of this lane is in the file only.
    pub(crate) fn park(&mut self, name: &str, position: i64) {
        let line = self.lines.entry(name.to_owned()).or_default();
        line.parked_from = Some(line.parked_from.map_or(position, |from| from.min(position)));
        self.look(name);
    }

    /// More of a lane has been read in; the rest is parked from here on.
    pub(crate) fn fed(&mut self, name: &str, parked_from: Option<i64>) {
        let Some(line) = self.lines.get_mut(name) else { return };
        line.parked_from = parked_from;
        self.look(name);
    }

    /// The head of a lane has ended; gives the next. Any other stands in no lane.
    pub(crate) fn finish(&mut self, name: &str, position: i64) -> Option<i64> {
        let line = self.lines.get_mut(name)?;
        if line.waiting.front() != Some(&position) {
            return None;
        }
        line.waiting.pop_front();
        let next = line.waiting.front().copied();
        self.look(name);
        next
    }

    /// Hungry when little of it is in memory and more in the file; forgotten when nothing of it is anywhere.
    fn look(&mut self, name: &str) {
        let Some(line) = self.lines.get_mut(name) else { return };
        match line.parked_from {
            None if line.waiting.is_empty() => {
                self.lines.remove(name);
            }
            Some(_) if !line.hungry && line.waiting.len() <= AHEAD / 2 => {
                line.hungry = true;
                self.hungry.push_back(name.to_owned());
            }
            _ => {}
        }
    }

    pub(crate) fn is_any_hungry(&self) -> bool {
        !self.hungry.is_empty()
    }

    /// The lane to read more of, from where, and how many at most, where `room` is for so many beside heads. Whoever
    /// has a head and finds no room is hungry again when that head has ended.
    pub(crate) fn next_hungry(&mut self, room: usize) -> Option<(String, i64, usize)> {
        while let Some(name) = self.hungry.pop_front() {
            let Some(line) = self.lines.get_mut(&name) else { continue };
            line.hungry = false;
            let Some(from) = line.parked_from else { continue };
            let head = usize::from(line.waiting.is_empty());
            let most = (AHEAD - line.waiting.len().min(AHEAD)).min(room.max(head));
            if most > 0 {
                return Some((name, from, most));
            }
        }
        None
    }
}
