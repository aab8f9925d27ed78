//! Why a control call was not carried out, in a sentence for the person who made it.

/// The sentence, and whether what was named is not there.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// What was named is not there: 404.
    Absent(String),
    /// The order is wrong: 400.
    Wrong(String),
}

impl From<String> for Refusal {
    fn from(sentence: String) -> Refusal {
        Refusal::Wrong(sentence)
    }
}

impl From<&str> for Refusal {
    fn from(sentence: &str) -> Refusal {
        Refusal::Wrong(sentence.to_owned())
    }
}

impl Refusal {
    pub(crate) fn no_channel(id: &str) -> Refusal {
        Refusal::Absent(format!("there is no channel {id}; POST /slack/channels adds one"))
    }

    pub(crate) fn no_user(id: &str) -> Refusal {
        Refusal::Absent(format!("there is no user {id}; POST /slack/users adds one"))
    }

    pub(crate) fn no_message() -> Refusal {
        Refusal::Absent("there is no such message in the channel".into())
    }
}
