//! Conditions on text, each where it is found fastest.

use super::{Hit, Hits, affixes::Affixes, blocks::Blocks, within::Within};
use crate::{
    address,
    condition::Condition,
    engine::hash::{ByBytes, bytes_map},
    fold::{Folded, in_one_case},
    wildcard::Wildcard,
};
use std::{collections::HashMap, net::IpAddr};

/// Bytes of a beginning or an end that is told from others at once.
const TELLING_END: usize = 3;

#[derive(Debug)]
pub(super) struct Texts {
    exact: ByBytes<Hits>,
    prefixes: Affixes,
    suffixes: Affixes,
    within: Within,
    addresses: HashMap<IpAddr, Hits>,
    blocks: Blocks,
    folded: Option<Box<FoldedTexts>>,
    any: Hits,
}

/// Texts in one case, for what is to be found in any.
#[derive(Debug)]
struct FoldedTexts {
    whole: ByBytes<Hits>,
    prefixes: Affixes,
    suffixes: Affixes,
}

impl Default for Texts {
    fn default() -> Self {
        Texts {
            exact: bytes_map(),
            prefixes: Affixes::default(),
            suffixes: Affixes::default(),
            within: Within::default(),
            addresses: HashMap::new(),
            blocks: Blocks::default(),
            folded: None,
            any: Hits::new(),
        }
    }
}

impl Texts {
    pub(super) fn add(&mut self, condition: &Condition, alternative: u32) {
        let sure = Hit { alternative, is_sure: true };
        let unsure = Hit { alternative, is_sure: false };
        match condition {
            Condition::Text(text) => self.add_exact(text, sure),
            Condition::Texts(texts) => texts.iter().for_each(|text| self.add_exact(text, sure)),
            Condition::Prefix(text) => self.prefixes.add(text.bytes(), sure),
            Condition::Suffix(text) => self.suffixes.add(text.bytes().rev(), sure),
            // The text as it is written is an address too, and found as one.
            Condition::Address { address, .. } => self.addresses.entry(*address).or_default().push(sure),
            Condition::Cidr(network) => self.blocks.add(network, sure),
            Condition::Wildcard(wildcard) => self.add_wildcard(wildcard, sure, unsure),
            Condition::EqualsIgnoreCase(folded) => self.add_folded(folded, unsure, |texts, key| {
                texts.whole.entry(key.as_bytes().into()).or_default().push(unsure);
            }),
            Condition::PrefixIgnoreCase(folded) => {
                self.add_folded(folded, unsure, |texts, key| texts.prefixes.add(key.bytes(), unsure));
            }
            Condition::SuffixIgnoreCase(folded) => {
                self.add_folded(folded, unsure, |texts, key| texts.suffixes.add(key.bytes().rev(), unsure));
            }
            _ => self.any.push(unsure),
        }
    }

    fn add_exact(&mut self, text: &str, hit: Hit) {
        self.exact.entry(text.as_bytes().into()).or_default().push(hit);
    }

    /// By its beginning or its end, or, when both are short, by the longest piece between.
    fn add_wildcard(&mut self, wildcard: &Wildcard, sure: Hit, unsure: Hit) {
        let (first, between, last) = match wildcard.pieces() {
            [only] => return self.add_exact(only, sure),
            [first, last] if last.is_empty() => return self.prefixes.add(first.bytes(), sure),
            [first, last] if first.is_empty() => return self.suffixes.add(last.bytes().rev(), sure),
            [first, between @ .., last] => (first, between, last),
            [] => return,
        };
        let end = first.len().max(last.len());
        match between.iter().max_by_key(|piece| piece.len()) {
            Some(piece) if end < TELLING_END && piece.len() > end => self.within.add(piece, unsure),
            _ if first.len() >= last.len() => self.prefixes.add(first.bytes(), unsure),
            _ => self.suffixes.add(last.bytes().rev(), unsure),
        }
    }

    fn add_folded(&mut self, folded: &Folded, unsure: Hit, add: impl FnOnce(&mut FoldedTexts, &str)) {
        let Some(key) = folded.in_one_case() else {
            self.any.push(unsure);
            return;
        };
        let texts = self.folded.get_or_insert_with(|| {
            let (prefixes, suffixes) = (Affixes::default(), Affixes::default());
            Box::new(FoldedTexts { whole: bytes_map(), prefixes, suffixes })
        });
        add(texts, &key);
    }

    pub(super) fn finish(&mut self) {
        self.prefixes.finish();
        self.suffixes.finish();
        self.within.finish();
        if let Some(folded) = &mut self.folded {
            folded.prefixes.finish();
            folded.suffixes.finish();
        }
    }

    pub(super) fn find(&self, text: &str, found: &mut impl FnMut(&[Hit])) {
        found(&self.any);
        if !self.exact.is_empty()
            && let Some(hits) = self.exact.get(text.as_bytes())
        {
            found(hits);
        }
        self.prefixes.find_start(text.as_bytes(), found);
        self.suffixes.find_end(text.as_bytes(), found);
        self.within.find(text, found);
        if !(self.addresses.is_empty() && self.blocks.is_empty())
            && let Some(address) = address::parse(text)
        {
            if let Some(hits) = self.addresses.get(&address) {
                found(hits);
            }
            self.blocks.find(address, found);
        }
        if let Some(folded) = &self.folded {
            folded.find(&in_one_case(text), found);
        }
    }
}

impl FoldedTexts {
    fn find(&self, text: &str, found: &mut impl FnMut(&[Hit])) {
        if let Some(hits) = self.whole.get(text.as_bytes()) {
            found(hits);
        }
        self.prefixes.find_start(text.as_bytes(), found);
        self.suffixes.find_end(text.as_bytes(), found);
    }
}
