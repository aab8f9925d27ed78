//! Rules on lots, by class of operator: those of event-ruler's own benchmark where it has the class.

/// Rules that use one operator.
pub(crate) struct Class {
    pub(crate) name: &'static str,
    /// The key that skipping has to reach at least.
    pub(crate) key: &'static str,
    pub(crate) rules: &'static [&'static str],
}

pub(crate) const CLASSES: [Class; 14] = [
    Class {
        name: "exact",
        key: "\"STREET\":",
        rules: &[
            r#"{"properties": {"MAPBLKLOT": ["1430022"]}}"#,
            r#"{"properties": {"MAPBLKLOT": ["2607117"]}}"#,
            r#"{"properties": {"FROM_ST": ["120"]}}"#,
            r#"{"properties": {"STREET": ["FULTON"]}}"#,
            r#"{"properties": {"STREET": ["KING"], "ODD_EVEN": ["E"]}}"#,
        ],
    },
    Class {
        name: "prefix",
        key: "\"STREET\":",
        rules: &[
            r#"{"properties": {"STREET": [{"prefix": "AC"}]}}"#,
            r#"{"properties": {"STREET": [{"prefix": "BL"}]}}"#,
            r#"{"properties": {"STREET": [{"prefix": "DR"}]}}"#,
            r#"{"properties": {"STREET": [{"prefix": "FU"}]}}"#,
            r#"{"properties": {"STREET": [{"prefix": "RH"}]}}"#,
        ],
    },
    Class {
        name: "suffix",
        key: "\"STREET\":",
        rules: &[
            r#"{"properties": {"STREET": [{"suffix": "ON"}]}}"#,
            r#"{"properties": {"STREET": [{"suffix": "KE"}]}}"#,
            r#"{"properties": {"STREET": [{"suffix": "MM"}]}}"#,
            r#"{"properties": {"STREET": [{"suffix": "ING"}]}}"#,
            r#"{"properties": {"STREET": [{"suffix": "GO"}]}}"#,
        ],
    },
    Class {
        name: "equals-ignore-case",
        key: "\"STREET\":",
        rules: &[
            r#"{"properties": {"STREET": [{"equals-ignore-case": "jefferson"}]}}"#,
            r#"{"properties": {"STREET": [{"equals-ignore-case": "bEaCh"}]}}"#,
            r#"{"properties": {"STREET": [{"equals-ignore-case": "HyDe"}]}}"#,
            r#"{"properties": {"STREET": [{"equals-ignore-case": "CHESTNUT"}]}}"#,
            r#"{"properties": {"ODD_EVEN": [{"equals-ignore-case": "e"}]}}"#,
        ],
    },
    Class {
        name: "wildcard",
        key: "\"MAPBLKLOT\":",
        rules: &[
            r#"{"properties": {"MAPBLKLOT": [{"wildcard": "143*"}]}}"#,
            r#"{"properties": {"MAPBLKLOT": [{"wildcard": "2*0*1*7"}]}}"#,
            r#"{"properties": {"MAPBLKLOT": [{"wildcard": "*218"}]}}"#,
            r#"{"properties": {"MAPBLKLOT": [{"wildcard": "3*5*2"}]}}"#,
            r#"{"properties": {"STREET": [{"wildcard": "*OR*"}]}}"#,
        ],
    },
    Class {
        name: "numeric",
        key: "\"coordinates\":",
        rules: &[
            r#"{"geometry": {"coordinates": [{"numeric": ["=", -122.429163]}]}}"#,
            r#"{"geometry": {"coordinates": [{"numeric": [">", 37.7999]}]}}"#,
            r#"{"geometry": {"coordinates": [{"numeric": ["<", -122.4999]}]}}"#,
            r#"{"geometry": {"coordinates": [{"numeric": [">=", 37.71, "<", 37.7101]}]}}"#,
        ],
    },
    Class {
        name: "anything-but",
        key: "\"ODD_EVEN\":",
        rules: &[
            r#"{"properties": {"STREET": [{"anything-but": ["FULTON"]}]}}"#,
            r#"{"properties": {"STREET": [{"anything-but": ["MASON", "KING"]}]}}"#,
            r#"{"properties": {"ODD_EVEN": [{"anything-but": ["E"]}]}}"#,
            r#"{"geometry": {"type": [{"anything-but": ["Polygon"]}]}}"#,
        ],
    },
    Class {
        name: "complex arrays",
        key: "\"coordinates\":",
        rules: &[
            r#"{"geometry": {"type": ["Polygon"], "coordinates": [{"numeric": ["=", -122.429163]}]}}"#,
            r#"{"geometry": {"type": ["MultiPolygon"], "coordinates": [{"numeric": ["=", -122.4]}]}}"#,
            r#"{"geometry": {"type": ["Polygon"], "coordinates": [37.729900]}}"#,
            r#"{"geometry": {"type": ["Polygon"], "coordinates": [{"numeric": ["<", -122.4998]}]}}"#,
        ],
    },
    Class {
        name: "several fields",
        key: "\"ODD_EVEN\":",
        rules: &[
            r#"{"type": ["Feature"], "properties": {"STREET": ["FULTON"], "ODD_EVEN": ["E"]}}"#,
            r#"{"type": ["Feature"], "properties": {"STREET": [{"prefix": "SAN"}], "ST_TYPE": [null]}}"#,
            r#"{"type": ["Feature"], "properties": {"STREET": ["KING", "GREEN"], "FROM_ST": [{"prefix": "12"}]}}"#,
            r#"{"type": ["Lot"], "properties": {"STREET": [{"anything-but": ["KING"]}], "ODD_EVEN": ["O"]}}"#,
        ],
    },
    Class {
        name: "exists",
        key: "\"ST_TYPE\":",
        rules: &[
            r#"{"properties": {"ST_TYPE": [{"exists": true}]}}"#,
            r#"{"properties": {"ZONE": [{"exists": false}]}}"#,
            r#"{"properties": {"ZONE": [{"exists": true}]}}"#,
            r#"{"properties": {"LOT_NUM": [{"exists": false}]}}"#,
        ],
    },
    Class {
        name: "$or",
        key: "\"STREET\":",
        rules: &[
            r#"{"properties": {"$or": [{"STREET": ["FULTON"]}, {"MAPBLKLOT": ["1430022"]}]}}"#,
            r#"{"properties": {"$or": [{"STREET": [{"prefix": "SAN"}]}, {"FROM_ST": ["120"]}], "ODD_EVEN": ["E"]}}"#,
            r#"{"$or": [{"type": ["Lot"]}, {"properties": {"STREET": ["KING"], "ST_TYPE": ["AVE"]}}]}"#,
            r#"{"properties": {"$or": [{"STREET": ["UNION"]}, {"STREET": [{"suffix": "ON"}]}]}}"#,
        ],
    },
    Class {
        name: "prefix in any case",
        key: "\"STREET\":",
        rules: &[
            r#"{"properties": {"STREET": [{"prefix": {"equals-ignore-case": "ac"}}]}}"#,
            r#"{"properties": {"STREET": [{"prefix": {"equals-ignore-case": "fu"}}]}}"#,
            r#"{"properties": {"STREET": [{"suffix": {"equals-ignore-case": "on"}}]}}"#,
            r#"{"properties": {"STREET": [{"suffix": {"equals-ignore-case": "Ke"}}]}}"#,
        ],
    },
    Class {
        name: "anything-but prefix …",
        key: "\"STREET\":",
        rules: &[
            r#"{"properties": {"STREET": [{"anything-but": {"prefix": ["FU", "AC"]}}]}}"#,
            r#"{"properties": {"STREET": [{"anything-but": {"suffix": "ON"}}]}}"#,
            r#"{"properties": {"STREET": [{"anything-but": {"wildcard": "*OR*"}}]}}"#,
            r#"{"properties": {"ODD_EVEN": [{"anything-but": {"equals-ignore-case": ["e"]}}]}}"#,
        ],
    },
    Class { name: "one rule, first key", key: "\"type\":", rules: &[r#"{"type": ["Feature"]}"#] },
];
