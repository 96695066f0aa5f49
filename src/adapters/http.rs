//! Inbound: the distribution API over HTTP/1.1 and HTTP/2.
//!
//! ```text
//! listener ──▶ connection ──▶ service ──▶ route ──▶ handlers ──▶ reply
//!  accept,      what goes      admit,      which      one use     headers,
//!  drain        on on one      run, log    endpoint   case each   body
//! ```
//!
//! `error` chooses every status of 400 and above, and no other file does.

mod admission;
mod body;
mod callers;
mod client;
mod conditions;
pub mod config;
mod connection;
mod credentials;
mod current;
mod error;
mod handlers;
mod handshake;
mod headers;
mod health;
mod holes;
mod listener;
mod metrics;
mod monitoring;
mod pagination;
mod progress;
mod query;
mod range;
mod reply;
mod route;
mod service;
mod settings;
mod socket;
pub mod tls;
mod trace;
mod tuning;

pub use current::{Current, Serving};
pub use listener::serve;
pub use monitoring::monitor;
pub use settings::Settings;
