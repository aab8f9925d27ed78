//! All blocks of a set that hold an address: a table for each length of block that occurs.

use super::{Hit, Hits};
use crate::address::Network;
use std::{collections::HashMap, net::IpAddr};

#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// One for each family and mask; addresses are reduced by the mask.
    lengths: Vec<Length>,
}

#[derive(Debug)]
struct Length {
    /// The block of this length that begins at zero.
    network: Network,
    by_base: HashMap<u128, Hits>,
}

impl Blocks {
    pub(super) fn add(&mut self, network: &Network, hit: Hit) {
        let at = self.lengths.iter().position(|length| length.network.is_as_long(network));
        let at = at.unwrap_or_else(|| {
            self.lengths.push(Length { network: network.clone(), by_base: HashMap::new() });
            self.lengths.len() - 1
        });
        self.lengths[at].by_base.entry(network.base()).or_default().push(hit);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    pub(super) fn find(&self, address: IpAddr, found: &mut impl FnMut(&[Hit])) {
        for length in &self.lengths {
            let base = length.network.base_of(address);
            if let Some(hits) = base.and_then(|base| length.by_base.get(&base)) {
                found(hits);
            }
        }
    }
}
