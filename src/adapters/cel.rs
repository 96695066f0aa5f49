//! Outbound: rules of policies, written in CEL. Compiled once, under limits;
//! evaluated without copying a request.

mod access;
mod check;
mod pattern;
mod program;
mod retention;

pub use access::access_rule;
pub use program::InvalidRule;
pub use retention::{constant, retention_rule};
