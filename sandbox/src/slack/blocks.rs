//! The limits of blocks: <https://docs.slack.dev/reference/block-kit/blocks>
//!
//! Counts and lengths only; whether a block's every field is right is not checked.

use serde_json::Value;

/// The most text of all blocks together, as was seen (bolt-js #2509).
const MOST_TEXT: usize = 13_200;

/// The error's name, if the blocks are refused.
pub(crate) fn check(blocks: &Value) -> Result<(), &'static str> {
    let blocks = blocks.as_array().ok_or("invalid_blocks_format")?;
    if blocks.len() > 50 || !blocks.iter().all(fits) {
        return Err("invalid_blocks");
    }
    let mut ids: Vec<&str> = blocks.iter().filter_map(|block| block["block_id"].as_str()).collect();
    let given = ids.len();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != given {
        return Err("invalid_blocks");
    }
    if blocks.iter().map(text_in).sum::<usize>() > MOST_TEXT {
        return Err("msg_blocks_too_long");
    }
    Ok(())
}

fn fits(block: &Value) -> bool {
    let short = |value: &Value, most: usize| value.as_str().is_none_or(|text| text.chars().count() <= most);
    let few = |value: &Value, most: usize| value.as_array().is_none_or(|list| list.len() <= most);
    if !short(&block["block_id"], 255) {
        return false;
    }
    let text = &block["text"]["text"];
    match block["type"].as_str() {
        Some("section") => {
            let fields = &block["fields"];
            let has_content = text.as_str().is_some_and(|text| !text.is_empty()) || fields.is_array();
            has_content
                && short(text, 3_000)
                && few(fields, 10)
                && fields.as_array().is_none_or(|list| list.iter().all(|field| short(&field["text"], 2_000)))
                && element_fits(&block["accessory"])
        }
        Some("header") => text.as_str().is_some_and(|text| !text.is_empty()) && short(text, 150),
        Some("actions") => {
            let elements = &block["elements"];
            few(elements, 25) && elements.as_array().is_some_and(|list| list.iter().all(element_fits))
        }
        Some("context") => few(&block["elements"], 10) && block["elements"].is_array(),
        Some("image") => {
            let found = block["image_url"].is_string() || block["slack_file"].is_object();
            found && short(&block["image_url"], 3_000) && short(&block["alt_text"], 2_000)
        }
        Some("markdown") => short(&block["text"], 12_000),
        Some("divider" | "rich_text" | "file" | "video" | "input" | "table" | "context_actions") => true,
        _ => false,
    }
}

fn element_fits(element: &Value) -> bool {
    let short = |value: &Value, most: usize| value.as_str().is_none_or(|text| text.chars().count() <= most);
    match element["type"].as_str() {
        Some("button") => {
            short(&element["text"]["text"], 75)
                && element["text"]["type"] == "plain_text"
                && short(&element["value"], 2_000)
                && short(&element["action_id"], 255)
                && short(&element["url"], 3_000)
        }
        _ => element.as_object().is_none_or(|fields| fields.contains_key("type")),
    }
}

fn text_in(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().map(text_in).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match value {
                Value::String(text) if name == "text" => text.chars().count(),
                other => text_in(other),
            })
            .sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use serde_json::{Value, json};

    #[test]
    fn blocks_over_the_limits_are_refused_by_name() {
        let section = |length: usize| json!({ "type": "section", "text": { "type": "mrkdwn", "text": "a".repeat(length) } });
        let button = |length: usize| {
            json!({ "type": "actions", "elements": [
            { "type": "button", "action_id": "a", "text": { "type": "plain_text", "text": "a".repeat(length) } }] })
        };
        for (blocks, expected) in [
            (json!([section(3_000)]), Ok(())),
            (json!([section(3_001)]), Err("invalid_blocks")),
            (json!([section(0)]), Err("invalid_blocks")),
            (Value::Array(vec![section(10); 50]), Ok(())),
            (Value::Array(vec![section(10); 51]), Err("invalid_blocks")),
            (Value::Array(vec![section(3_000); 5]), Err("msg_blocks_too_long")),
            (json!([button(75)]), Ok(())),
            (json!([button(76)]), Err("invalid_blocks")),
            (json!([{ "type": "nonsense" }]), Err("invalid_blocks")),
            (json!({}), Err("invalid_blocks_format")),
            (
                json!([{ "type": "divider", "block_id": "x" }, { "type": "divider", "block_id": "x" }]),
                Err("invalid_blocks"),
            ),
        ] {
            assert_eq!(check(&blocks), expected, "{blocks}");
        }
    }
}
