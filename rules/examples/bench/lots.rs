//! Events like the lots of a city's land register, the data that event-ruler and quamina are measured with, made
//! up from a seed: the same keys in the same order, the same spacing, about 830 bytes on average.
//!
//! Coordinates have six decimals, as more do not compare in EventBridge and every engine must see the same numbers.

use std::fmt::Write as _;

/// As many as the original has.
pub(crate) const COUNT: usize = 213_068;

const STREETS: [&str; 24] = [
    "ACADIA",
    "BLANKEN",
    "DRUMM",
    "FULTON",
    "RHODE ISLAND",
    "JEFFERSON",
    "BEACH",
    "NORTH POINT",
    "FRANCISCO",
    "CHESTNUT",
    "LOMBARD",
    "GREENWICH",
    "FILBERT",
    "UNION",
    "GREEN",
    "VALLEJO",
    "BROADWAY",
    "CRANLEIGH",
    "KING",
    "SAN DIEGO",
    "MISSION",
    "BERRY",
    "HUDSON",
    "unknown",
];

/// Random numbers that are the same on every machine (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// `count` lots.
pub(crate) fn lots(count: usize) -> Vec<String> {
    let mut dice = Dice(7);
    (0..count).map(|_| lot(&mut dice)).collect()
}

fn lot(dice: &mut Dice) -> String {
    let (block, lot) = (dice.roll(8_000), dice.roll(120));
    let street = STREETS[dice.roll(STREETS.len() as u64) as usize];
    let (from, kind) = (dice.roll(3_000), ["\"ST\"", "\"AVE\"", "null"][dice.roll(3) as usize]);
    let side = ["E", "O"][(from % 2) as usize];
    let mut text = format!(
        "{{ \"type\": \"Feature\", \"properties\": {{ \"MAPBLKLOT\": \"{block:04}{lot:03}\", \"BLKLOT\": \
         \"{block:04}{lot:03}\", \"BLOCK_NUM\": \"{block:04}\", \"LOT_NUM\": \"{lot:03}\", \"FROM_ST\": \
         \"{from}\", \"TO_ST\": \"{from}\", \"STREET\": \"{street}\", \"ST_TYPE\": {kind}, \"ODD_EVEN\": \
         \"{side}\" }}, \"geometry\": {{ \"type\": \"Polygon\", \"coordinates\": [ [ "
    );
    let points = 8 + dice.roll(19);
    for point in 0..points {
        let (x, y) = (dice.roll(100_000), dice.roll(100_000));
        let comma = if point == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}[ -122.4{x:05}, 37.7{y:05}, 0.0 ]");
    }
    text.push_str(" ] ] } }");
    text
}
