//! Callers: who sent a request, as far as records and logs care.

/// Who asked. Kept with what they pushed or deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The identity's id; `None` for an anonymous caller.
    pub identity: Option<String>,
}
