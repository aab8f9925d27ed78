//! The configuration file: its sections as types of their owners, and where in it a fault is.

use std::fmt::Display;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::fault::{ConfigError, shown, told};

/// A configuration file. Each reading parses the text again: it is small, and read at the start only.
#[derive(Debug, Clone, Default)]
pub struct Document {
    file: String,
    text: String,
}

impl Document {
    /// Takes a file's text.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let document = Self { file: file.to_owned(), text: text.to_owned() };
        document.table()?;
        Ok(document)
    }

    /// The keys at the top, with their places.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn keys(&self) -> Result<Vec<(String, Range<usize>)>, ConfigError> {
        Ok(self.table()?.keys().map(|key| (key.get_ref().to_string(), key.span())).collect())
    }

    fn table(&self) -> Result<DeTable<'_>, ConfigError> {
        DeTable::parse(&self.text)
            .map(Spanned::into_inner)
            .map_err(|error| self.fault(error.message().to_owned(), error.span()).mend("correct the TOML"))
    }

    /// A text at the top level, such as `TWILIO_AUTH_TOKEN = "…"`.
    ///
    /// # Errors
    /// When it is not a text.
    pub fn text(&self, name: &str) -> Result<Option<String>, ConfigError> {
        self.section(name)
    }

    /// The value under a key at the top, as a type of its owner.
    ///
    /// # Errors
    /// What is wrong in it, where, and the mend.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        self.table()?.remove(name).map(|value| self.read(value)).transpose()
    }

    /// All of it, as a type of its owner.
    ///
    /// # Errors
    /// What is wrong in it, where, and the mend.
    pub fn whole<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.read(Spanned::new(0..0, DeValue::Table(self.table()?)))
    }

    fn read<T: DeserializeOwned>(&self, value: Spanned<DeValue<'_>>) -> Result<T, ConfigError> {
        let span = value.span();
        T::deserialize(ValueDeserializer::from(value)).map_err(|error| {
            let span = error.span().unwrap_or(span);
            let (what, mend) = told(error.message());
            let label = self.table().ok().and_then(|table| label_at(&table, span.start));
            let what = label.map_or_else(|| what.clone(), |label| format!("{label}: {what}"));
            self.fault(what, Some(span)).mend(mend)
        })
    }

    /// Does something stand under these keys?
    pub fn has(&self, path: &[&str]) -> bool {
        let Ok(table) = self.table() else { return false };
        let Some((last, tables)) = path.split_last() else { return true };
        let above = tables.iter().try_fold(&table, |table, key| table.get(*key)?.get_ref().as_table());
        above.is_some_and(|table| table.contains_key(*last))
    }

    /// A fault at a place of this file.
    pub fn fault(&self, message: impl Into<String>, span: Option<Range<usize>>) -> ConfigError {
        ConfigError::new(message).at(&self.file, &self.text, span)
    }

    /// A fault of what stands under these keys, such as `["rooms", "lobby", "slack_channel"]`; within a list, the
    /// last of them is the number of the entry. Where nothing stands there, its place is that of the table above.
    pub fn wrong(&self, path: &[&str], what: impl Display) -> ConfigError {
        let Ok(table) = self.table() else { return ConfigError::new(what.to_string()) };
        let mut found = None;
        let (mut above, mut is_table) = (Some(&table), false);
        let mut labelled = path;
        for (depth, key) in path.iter().enumerate() {
            let Some((name, value)) = above.and_then(|table| table.get_key_value(*key)) else { break };
            let in_a_list = value.get_ref().as_array();
            let entry = path.get(depth + 1).and_then(|nth| in_a_list?.get(nth.parse::<usize>().ok()?));
            if entry.is_some() {
                labelled = &path[..=depth];
            }
            above = value.get_ref().as_table();
            is_table = above.is_some() && depth + 1 == path.len();
            found = Some(entry.map_or_else(|| name.span(), Spanned::span));
        }
        self.fault(format!("{}: {what}", label(labelled, is_table)), found)
    }

    /// A fault of a value that the file or the environment gives a name; `what` goes on after the name. It is the
    /// file's where the file says the same.
    pub fn wrong_name(&self, name: &str, value: Option<&str>, what: impl Display) -> ConfigError {
        let message = format!("{name} {what}");
        let table = self.table().ok();
        let entry = table.as_ref().and_then(|table| table.get_key_value(name));
        match entry.filter(|(_, written)| written.get_ref().as_str().map(str::trim) == value.map(str::trim)) {
            Some((key, _)) => self.fault(message, Some(key.span())),
            None => ConfigError::new(message),
        }
    }
}

/// `[rooms.lobby]`, `[rooms.lobby] phones`, `SWITCHBOARD_LISTEN`.
fn label(path: &[&str], is_table: bool) -> String {
    let names: Vec<&str> = path.iter().map(|name| shown(name)).collect();
    match names.as_slice() {
        tables if is_table => format!("[{}]", tables.join(".")),
        [tables @ .., last] if !tables.is_empty() => format!("[{}] {last}", tables.join(".")),
        one => one.concat(),
    }
}

/// The label of what stands at a byte of the text.
fn label_at(table: &DeTable<'_>, at: usize) -> Option<String> {
    let mut path = Vec::new();
    let is_table = descend(table, at, &mut path)?;
    Some(label(&path, is_table))
}

/// Finds the deepest keys that stand around a byte, and whether a table is under the last of them.
fn descend<'a>(table: &'a DeTable<'_>, at: usize, path: &mut Vec<&'a str>) -> Option<bool> {
    for (key, value) in table {
        path.push(key.get_ref());
        let below = value.get_ref().as_table();
        if let Some(found) = below.and_then(|table| descend(table, at, path)) {
            return Some(found);
        }
        if key.span().contains(&at) || value.span().contains(&at) {
            return Some(below.is_some());
        }
        path.pop();
    }
    None
}

#[cfg(test)]
mod tests {
    use switchboard_core::Rooms;

    use super::*;

    #[derive(serde::Deserialize, Default, Debug)]
    #[serde(deny_unknown_fields, default)]
    struct Section {
        speed: u32,
        rate: f64,
        wanted: bool,
        hosts: Vec<String>,
        access: switchboard_core::SmsAccess,
        within: Option<Needs>,
    }

    #[derive(serde::Deserialize, Debug)]
    #[expect(dead_code, reason = "only its reading is tested")]
    struct Needs {
        this: u32,
    }

    fn check(section: &str, expected: &str) {
        let document = Document::parse("hub.toml", &format!("a = 1\n\n[sms]\n{section}\n")).unwrap();
        let error = document.section::<Section>("sms").unwrap_err().to_string();
        assert_eq!(error, format!("hub.toml:4: {expected}"), "{section}");
    }

    #[test]
    fn a_fault_names_the_file_the_line_the_key_and_the_mend_and_no_value() {
        let u32_mend = "to mend it: write a whole number from 0 to 4294967295, without quotes";
        check("speed = \"fast\"", &format!("[sms] speed: a text does not belong here — {u32_mend}"));
        check("speed = -14155550123", &format!("[sms] speed: a value that cannot be — {u32_mend}"));
        check(
            "speed = \"x, expected a string\"",
            &format!("[sms] speed: a text does not belong here — {u32_mend}"),
        );
        check(
            "rate = \"14155550123\"",
            "[sms] rate: a text does not belong here — to mend it: write a number, without quotes",
        );
        check(
            "wanted = 1",
            "[sms] wanted: a number does not belong here — to mend it: write true or false, without quotes",
        );
        check(
            "hosts = \"+14155550123\"",
            "[sms] hosts: a text does not belong here — to mend it: write a list in brackets",
        );
        check(
            "hosts = [\"a\", 14155550123]",
            "[sms] hosts: a number does not belong here — to mend it: write it as a text in quotes",
        );
        let choices = "to mend it: write one of \"open\", \"listed\", \"off\"";
        check("access = \"+14155550123\"", &format!("[sms] access: no such choice — {choices}"));
        check("access = 3", "[sms] access: no text — to mend it: write it as a text in quotes");
        let known = "to mend it: known are speed, rate, wanted, hosts, access, within";
        check("spede = 2", &format!("[sms] spede: unknown key — {known}"));
        check("\"+14155550123\" = 2", &format!("[sms] …: unknown key — {known}"));
        check("within = {}", "[sms.within]: this is missing — to mend it: add this");
    }

    #[test]
    fn what_is_no_toml_names_its_line() {
        let error = Document::parse("hub.toml", "a = 1\nx = [\n").unwrap_err().to_string();
        assert!(error.starts_with("hub.toml:2: ") && error.ends_with("correct the TOML"), "{error}");
    }

    #[test]
    fn a_fault_is_found_by_the_keys_above_it() {
        let text = "A = \"1\"\n[rooms.lobby]\nsms = \"open\"\n\n[sms]\nhosts = [\n\"a\",\n\"b\",\n]\n";
        let document = Document::parse("hub.toml", text).unwrap();
        for (path, expected) in [
            (&["rooms", "lobby"][..], "hub.toml:2: [rooms.lobby]: x"),
            (&["rooms", "lobby", "sms"], "hub.toml:3: [rooms.lobby] sms: x"),
            (&["rooms", "lobby", "phones"], "hub.toml:2: [rooms.lobby] phones: x"),
            (&["sms", "hosts", "1"], "hub.toml:8: [sms] hosts: x"),
            (&["slack", "app_id"], "hub.toml: [slack] app_id: x"),
            (&["A"], "hub.toml:1: A: x"),
        ] {
            assert_eq!(document.wrong(path, "x").to_string(), expected, "{path:?}");
        }
        assert_eq!(Document::default().wrong(&["a", "b"], "x").to_string(), "[a] b: x");
        assert_eq!(document.wrong_name("A", Some("1"), "is wrong").to_string(), "hub.toml:1: A is wrong");
        assert_eq!(document.wrong_name("A", Some("2"), "is wrong").to_string(), "A is wrong");
    }

    #[test]
    fn a_bad_phone_in_a_room_is_found_in_its_line_and_not_shown() {
        for (phones, expected) in [
            ("[\"+14155550123\", \"0800 5550123\"]", "not a phone number in international form"),
            ("[14155550123]", "a number does not belong here — to mend it: write it as a text in quotes"),
        ] {
            let text = format!("[rooms.lobby]\nsms = \"listed\"\nphones = {phones}\n");
            let error = Document::parse("hub.toml", &text)
                .unwrap()
                .section::<Rooms>("rooms")
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(&format!("hub.toml:3: [rooms.lobby] phones: {expected}")), "{error}");
            assert!(error.contains("to mend it") && !error.contains("5550123"), "{error}");
        }
    }
}
