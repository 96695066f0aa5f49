//! Credentials: what a client shows to be somebody.

use super::Secret;

/// A user name and a password, as a client sent them.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// What it calls itself.
    pub username: String,
    /// What it proves that by.
    pub password: Secret,
    /// Tells clients apart, so that one that guesses can be slowed down.
    pub client: ClientKey,
}

/// What is equal for requests of the same client. What it is made of is the inbound adapter's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(pub u128);
