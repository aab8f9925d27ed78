//! Tables from bytes to what they stand for.
//!
//! They are filled from rules and looked up with what events hold. The keys are hashed eight bytes at a time by
//! folded multiplication, seeded from the system's randomness, so that no list of values is slow on purpose; the
//! standard library's own hasher is several times slower on the short texts that these are.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
};

/// A table with bytes as keys.
pub(super) type ByBytes<T> = HashMap<Box<[u8]>, T, Seeded>;

pub(super) fn bytes_map<T>() -> ByBytes<T> {
    HashMap::with_hasher(Seeded::default())
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Seeded(u64);

impl Default for Seeded {
    fn default() -> Self {
        Seeded(RandomState::new().hash_one(0))
    }
}

pub(super) struct Folding(u64);

impl BuildHasher for Seeded {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding(self.0)
    }
}

impl Folding {
    #[inline]
    fn fold(&mut self, word: u64) {
        const FACTOR: u128 = 0x9E37_79B9_7F4A_7C15;
        let product = u128::from(self.0 ^ word) * FACTOR;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for Folding {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        let rest = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        self.fold(rest ^ (bytes.len() as u64).rotate_right(8));
    }

    #[inline]
    fn write_i64(&mut self, number: i64) {
        self.fold(number as u64);
    }

    #[inline]
    fn write_usize(&mut self, length: usize) {
        self.0 = self.0.wrapping_add(length as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0 ^ self.0.rotate_left(32)
    }
}
