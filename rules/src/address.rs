//! IP addresses and CIDR blocks.
//!
//! An address in a pattern is compared as an address: `::1` and `0:0:0:0:0:0:0:1` are one, and an IPv4 address in
//! IPv6 clothes is the IPv4 address. A block holds addresses of its own family only. As in EventBridge's matcher,
//! an IPv6 address has no dots, and a block is never a single address (`/32`, `/128`).

use std::net::IpAddr;

/// Reads an address as EventBridge's matcher knows one; anything else is just text.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    let has_colon = text.contains(':');
    if has_colon && text.contains('.') {
        return None;
    }
    match text.parse().ok()? {
        IpAddr::V6(address) => Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)),
        address => Some(address),
    }
}

/// `cidr`: a block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    is_v4: bool,
    mask: u128,
    base: u128,
    /// As it was written, for an explanation.
    pub(crate) wording: String,
}

impl Network {
    /// Reads a block, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (address, mask) = text.split_once('/').ok_or("it has no slash")?;
        let address = parse(address).ok_or("what stands before the slash is not an address")?;
        let bits: u32 = mask.parse().map_err(|_| "what stands after the slash is not a number")?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        if bits >= width {
            return Err(if width == 32 {
                "an IPv4 block is at most /31; write a single address as an exact value"
            } else {
                "an IPv6 block is at most /127; write a single address as an exact value"
            });
        }
        let mask = !0_u128 << (width - bits).min(127);
        let mask = if bits == 0 { 0 } else { mask };
        Ok(Network { is_v4: width == 32, mask, base: number(address) & mask, wording: text.into() })
    }

    /// The block's first address as a number.
    pub(crate) fn base(&self) -> u128 {
        self.base
    }

    /// Where the block of this length begins that holds `address`; nowhere if it is of the other family.
    pub(crate) fn base_of(&self, address: IpAddr) -> Option<u128> {
        (address.is_ipv4() == self.is_v4).then(|| number(address) & self.mask)
    }

    /// Whether the two are of one family and one length.
    pub(crate) fn is_as_long(&self, other: &Network) -> bool {
        (self.is_v4, self.mask) == (other.is_v4, other.mask)
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.base_of(address) == Some(self.base)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(block: &str, address: &str) -> Option<bool> {
        Some(Network::parse(block).ok()?.contains(parse(address)?))
    }

    #[test]
    fn a_block_holds_its_first_and_last_address_and_no_other() {
        assert_eq!(holds("10.0.1.0/24", "10.0.1.0"), Some(true));
        assert_eq!(holds("10.0.1.0/24", "10.0.1.255"), Some(true));
        assert_eq!(holds("10.0.1.0/24", "10.0.2.0"), Some(false));
        assert_eq!(holds("10.0.1.77/24", "10.0.1.3"), Some(true));
        assert_eq!(holds("0.0.0.0/0", "255.1.2.3"), Some(true));
        assert_eq!(holds("::/0", "ff00::1"), Some(true));
        assert_eq!(holds("::/1", "8000::"), Some(false));
        assert_eq!(holds("2001:db8::/127", "2001:db8::1"), Some(true));
        assert_eq!(holds("2001:db8::/127", "2001:db8::2"), Some(false));
    }

    #[test]
    fn the_two_families_do_not_mix() {
        assert_eq!(holds("0.0.0.0/0", "::1"), Some(false));
        assert_eq!(holds("::/0", "1.2.3.4"), Some(false));
        assert_eq!(holds("1.2.3.0/24", "::ffff:102:304"), Some(true));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for block in
            ["10.0.0.0", "10.0.0.0/32", "::1/128", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/8/8", "a.b/8", "/8"]
        {
            assert!(Network::parse(block).is_err(), "{block}");
        }
        for text in ["1.2.3", "010.0.0.1", "256.1.1.1", "::ffff:1.2.3.4", "", ":", "1:2"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
