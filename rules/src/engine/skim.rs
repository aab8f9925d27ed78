//! Passing over JSON sixty-four bytes at a time, to where a string ends or a bracket is closed.
//!
//! Of each block four masks are made, one bit a byte: the quotes that begin or end strings, the backslashes, and
//! the brackets that open and close outside of strings. What state a block leaves to the next is one escape and one
//! "inside a string". The masks are those of simdjson (<https://arxiv.org/abs/1902.08318>), of which only what
//! skipping needs is here; nothing is checked, as the event was validated before.
//!
//! ```text
//! text     { "a\"b" : [ 1 , "]" ] }
//! quotes     1    1          1 1
//! opens    1          1
//! closes                         1 1
//! ```

use wide::u8x16;

const BLOCK: usize = 64;

/// A place in a text that only moves forward.
pub(super) struct Skim<'t> {
    bytes: &'t [u8],
    /// Where the block begins that the masks are of.
    base: usize,
    masks: Masks,
    /// All ones while the block before ended within a string.
    in_string: u64,
    /// One if the block before ended with a backslash that escapes.
    escape: u64,
}

#[derive(Default)]
struct Masks {
    quotes: u64,
    backslashes: u64,
    opens: u64,
    closes: u64,
}

impl<'t> Skim<'t> {
    pub(super) fn new(bytes: &'t [u8]) -> Self {
        let mut skim = Skim { bytes, base: 0, masks: Masks::default(), in_string: 0, escape: 0 };
        skim.load();
        skim
    }

    /// Where the quote stands that ends the string whose first byte is at `from`, and whether a backslash is on the
    /// way. `None` when the text ends before.
    #[inline]
    pub(super) fn string_end(&mut self, from: usize) -> Option<(usize, bool)> {
        let offset = from.wrapping_sub(self.base);
        if offset < BLOCK {
            let quotes = self.masks.quotes >> offset;
            if quotes != 0 {
                let before = (quotes & quotes.wrapping_neg()) - 1;
                let has_escape = (self.masks.backslashes >> offset) & before != 0;
                return Some((from + quotes.trailing_zeros() as usize, has_escape));
            }
        }
        self.far_string_end(from)
    }

    /// The same where it is not all in one block.
    #[inline(never)]
    fn far_string_end(&mut self, from: usize) -> Option<(usize, bool)> {
        let mut wanted = self.reach(from)?;
        let mut has_escape = false;
        loop {
            let quotes = self.masks.quotes & wanted;
            let backslashes = self.masks.backslashes & wanted;
            if quotes != 0 {
                let at = quotes.trailing_zeros();
                has_escape |= backslashes & ((1 << at) - 1) != 0;
                return Some((self.base + at as usize, has_escape));
            }
            has_escape |= backslashes != 0;
            wanted = self.advance()?;
        }
    }

    /// The byte after the bracket that closes the one at `from`. `None` when the text ends before.
    pub(super) fn close_of(&mut self, from: usize) -> Option<usize> {
        let mut wanted = self.reach(from)?;
        let mut depth = 0_usize;
        loop {
            let mut brackets = (self.masks.opens | self.masks.closes) & wanted;
            while brackets != 0 {
                let bracket = brackets & brackets.wrapping_neg();
                brackets ^= bracket;
                let closes = usize::from(self.masks.closes & bracket != 0);
                depth = depth.wrapping_add(1).wrapping_sub(2 * closes);
                if depth == 0 {
                    return Some(self.base + bracket.trailing_zeros() as usize + 1);
                }
            }
            wanted = self.advance()?;
        }
    }

    /// Moves to the block that holds `from`; the mask of the bytes from there on.
    fn reach(&mut self, from: usize) -> Option<u64> {
        while from >= self.base + BLOCK {
            self.advance()?;
        }
        Some(!0 << from.checked_sub(self.base)?)
    }

    fn advance(&mut self) -> Option<u64> {
        let next = self.base + BLOCK;
        if next >= self.bytes.len() {
            return None;
        }
        self.base = next;
        self.load();
        Some(!0)
    }

    #[inline]
    fn load(&mut self) {
        let rest = self.bytes.get(self.base..).unwrap_or_default();
        let raw = match rest.first_chunk::<BLOCK>() {
            Some(block) => Raw::of(block),
            None => {
                let mut padded = [b' '; BLOCK];
                padded[..rest.len()].copy_from_slice(rest);
                Raw::of(&padded)
            }
        };
        let quotes = raw.quotes & !self.escaped(raw.backslashes);
        let mut in_string = self.in_string;
        if quotes != 0 {
            in_string ^= prefix_xor(quotes);
            // All ones or none: the last byte's bit, everywhere.
            self.in_string = 0_u64.wrapping_sub(in_string >> 63);
        }
        let outside = !in_string;
        self.masks = Masks {
            quotes,
            backslashes: raw.backslashes,
            opens: raw.opens & outside,
            closes: raw.closes & outside,
        };
    }

    /// The bytes that stand after a backslash which is not escaped itself.
    #[inline]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        if backslashes == 0 {
            return std::mem::take(&mut self.escape);
        }
        let may_escape = backslashes & !self.escape;
        // Subtracting carries through each run of backslashes, so that every second of a run is left.
        let followers = ((may_escape << 1) | ODD).wrapping_sub(may_escape) ^ ODD;
        let escaped = followers ^ (backslashes | self.escape);
        self.escape = (followers & backslashes) >> 63;
        escaped
    }
}

/// The bytes of one block that are of interest, wherever they stand.
struct Raw {
    quotes: u64,
    backslashes: u64,
    opens: u64,
    closes: u64,
}

impl Raw {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut raw = Raw { quotes: 0, backslashes: 0, opens: 0, closes: 0 };
        for (index, part) in block.as_chunks::<16>().0.iter().enumerate() {
            let part = u8x16::new(*part);
            // One bit apart are [ and {, ] and }.
            let curled = part | u8x16::splat(0x20);
            let mask = |part: u8x16, byte: u8| {
                u64::from(part.simd_eq(u8x16::splat(byte)).to_bitmask()) << (16 * index)
            };
            raw.quotes |= mask(part, b'"');
            raw.backslashes |= mask(part, b'\\');
            raw.opens |= mask(curled, b'{');
            raw.closes |= mask(curled, b'}');
        }
        raw
    }
}

/// Each bit is the parity of itself and all below it: ones from each opening quote up to the closing one.
#[inline]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}
