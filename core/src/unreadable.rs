//! What is said of JSON that cannot be read. serde's own message quotes what stands there: somebody's words or number,
//! which neither the log nor a dead letter's reason may hold.

/// The kind of fault and where it is, as `Data at 1:27`.
pub fn fault(error: &serde_json::Error) -> String {
    format!("{:?} at {}:{}", error.classify(), error.line(), error.column())
}
