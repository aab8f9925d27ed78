//! Which function this is: the handler's name, `sms.door` or `slack.out`, looked up among the bridges' doors and
//! listeners and the host's own.

use switchboard_core::{Declaration, DoorAccess};

/// What a function does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Answers requests at a bridge's door.
    Door,
    /// Hears a bridge's sockets.
    Socket,
    /// Hears events.
    Listener,
    /// A bridge's errands: timers, and effects that its doors asked for. Its handler is the bridge's name.
    Errands,
    /// `media`: redirects a public link to the file's storage.
    Media,
    /// `journal`: keeps every event.
    Journal,
}

/// A function of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The handler's name.
    pub name: String,
    /// The bridge that it belongs to; the host's own belong to none.
    pub bridge: Option<String>,
    /// What it does.
    pub role: Role,
}

/// There is no such handler.
#[derive(Debug, thiserror::Error)]
#[error("there is no handler {name:?} — to mend it: set Handler to one of {known}")]
pub struct UnknownHandler {
    name: String,
    known: String,
}

/// The host's own functions.
const OWN: [(&str, Role); 2] = [("media", Role::Media), ("journal", Role::Journal)];

/// All functions: each bridge's doors, listeners and errands, and the host's own.
pub fn all<'a>(declarations: impl IntoIterator<Item = &'a Declaration>) -> Vec<Function> {
    let mut functions = Vec::new();
    for declared in declarations {
        let mut add = |name: &str, role| {
            let function = Function { name: name.to_owned(), bridge: Some(declared.name.to_owned()), role };
            if !functions.contains(&function) {
                functions.push(function);
            }
        };
        for door in declared.doors {
            let socket = door.access == DoorAccess::Socket;
            add(door.name, if socket { Role::Socket } else { Role::Door });
        }
        for listener in declared.listeners {
            add(listener, Role::Listener);
        }
        add(declared.name, Role::Errands);
    }
    functions.extend(OWN.map(|(name, role)| Function { name: name.to_owned(), bridge: None, role }));
    functions
}

/// The bridge that a handler's name begins with; `None` for the host's own.
pub fn bridge_of(handler: &str) -> Option<&str> {
    let own = OWN.iter().any(|(name, _)| *name == handler);
    (!own).then(|| handler.split('.').next().unwrap_or(handler))
}

/// The function of this name.
///
/// # Errors
/// Names those that there are.
pub fn named(name: &str, all: &[Function]) -> Result<Function, UnknownHandler> {
    all.iter().find(|function| function.name == name).cloned().ok_or_else(|| UnknownHandler {
        name: name.to_owned(),
        known: all.iter().map(|function| function.name.as_str()).collect::<Vec<_>>().join(", "),
    })
}
