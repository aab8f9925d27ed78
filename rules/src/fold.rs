//! `equals-ignore-case`: each character of the pattern stands for its lower and its upper case.
//!
//! As in EventBridge's matcher the two are taken character by character and never folded further, so `ß` in a
//! pattern means `ß` or `SS`, and not `ss`. There it cannot match a character beyond U+FFFF; here it can.
//! <https://github.com/aws/event-ruler/blob/main/src/main/software/amazon/event/ruler/input/EqualsIgnoreCaseParser.java>

use std::borrow::Cow;

/// A text whose case does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Folded {
    characters: Vec<Forms>,
    /// As it was written, for an explanation.
    pub(crate) wording: String,
}

/// One character's spellings; none starts or ends another, so the first that fits is the only one that does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Forms {
    One(char),
    Many([String; 3]),
}

impl Folded {
    pub(crate) fn new(text: &str) -> Self {
        let characters = text.chars().map(|character| {
            let lower: String = character.to_lowercase().collect();
            let upper: String = character.to_uppercase().collect();
            if lower == upper { Forms::One(character) } else { Forms::Many([lower, upper, character.into()]) }
        });
        Folded { characters: characters.collect(), wording: text.into() }
    }

    pub(crate) fn equals(&self, text: &str) -> bool {
        self.characters.iter().try_fold(text, |rest, forms| forms.strip_start(rest)) == Some("")
    }

    pub(crate) fn starts(&self, text: &str) -> bool {
        self.characters.iter().try_fold(text, |rest, forms| forms.strip_start(rest)).is_some()
    }

    pub(crate) fn ends(&self, text: &str) -> bool {
        self.characters.iter().rev().try_fold(text, |rest, forms| forms.strip_end(rest)).is_some()
    }
}

/// A text in one case, so that what differs in case only becomes the same; other texts may too.
pub(crate) fn in_one_case(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect())
}

impl Folded {
    /// What [`in_one_case`] makes of every text that equals this one. `None` when it makes different ones.
    pub(crate) fn in_one_case(&self) -> Option<String> {
        let mut key = String::new();
        for forms in &self.characters {
            match forms {
                Forms::One(character) => key.push_str(&in_one_case(character.encode_utf8(&mut [0; 4]))),
                Forms::Many(forms) => {
                    let [one, others @ ..] = forms.each_ref().map(|form| in_one_case(form));
                    if others.iter().any(|other| *other != one) {
                        return None;
                    }
                    key.push_str(&one);
                }
            }
        }
        Some(key)
    }
}

impl Forms {
    fn strip_start<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Forms::One(character) => text.strip_prefix(*character),
            Forms::Many(forms) => forms.iter().find_map(|form| text.strip_prefix(form.as_str())),
        }
    }

    fn strip_end<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Forms::One(character) => text.strip_suffix(*character),
            Forms::Many(forms) => forms.iter().find_map(|form| text.strip_suffix(form.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter_and_all_else_does() {
        let folded = Folded::new("Straße 7");
        for same in ["straße 7", "STRASSE 7", "Straße 7", "STRAßE 7"] {
            assert!(folded.equals(same), "{same}");
        }
        for other in ["strasse 7", "straße 8", "straße", "straße 77", ""] {
            assert!(!folded.equals(other), "{other}");
        }
        assert!(Folded::new("").equals("") && !Folded::new("").equals("x"));
    }

    #[test]
    fn starts_and_ends_look_at_one_side_only() {
        assert!(Folded::new("ab").starts("ABc") && !Folded::new("ab").starts("cAB"));
        assert!(Folded::new(".PnG").ends("x.png") && !Folded::new(".png").ends(".pngx"));
        assert!(Folded::new("").starts("x") && Folded::new("").ends(""));
    }

    #[test]
    fn forms_do_not_start_or_end_each_other() {
        for character in '\0'..=char::MAX {
            if let Forms::Many(forms) = &Folded::new(&character.to_string()).characters[0] {
                for (one, other) in [(0, 1), (0, 2), (1, 2)].map(|(one, other)| (&forms[one], &forms[other]))
                {
                    let apart = |one: &str, other: &str| {
                        one == other || !one.starts_with(other) && !one.ends_with(other)
                    };
                    assert!(apart(one, other) && apart(other, one), "{character} is {one} and {other}");
                }
            }
        }
    }
}
