//! A value that must not be printed: tokens, signing keys.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A secret text. `Debug` and `Display` print `[secret]`; there is no `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that signs or sends with it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secrets of a comma-separated list (several are accepted while one replaces another), blanks left out.
    pub fn list(text: &str) -> Vec<Self> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Self::new).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_redacted() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "[secret] [secret] Some([secret])");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_list_of_secrets_is_split_at_commas() {
        assert_eq!(Secret::list("a, b,,").iter().map(Secret::expose).collect::<Vec<_>>(), ["a", "b"]);
    }
}
