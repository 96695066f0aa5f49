//! Values as the configuration writes them: sizes, durations, URLs, secrets; the time that leases run by, the threads
//! that wait, and the traces that requests belong to. The one thing adapter families share.

mod byte_size;
mod fields;
mod http_url;
mod jitter;
mod nearest;
pub mod one_thread;
pub mod pem;
mod seconds;
mod trace_context;
mod uptime;

pub use byte_size::{BadByteSize, ByteSize};
pub use fields::{filled, optional_path, optional_port, optional_secret, path, port, secret, text};
pub use http_url::{BadUrl, HttpUrl};
pub use jitter::jittered;
pub use nearest::nearest;
pub use seconds::{BadSeconds, Seconds};
pub use trace_context::{TRACE, adopt, current_trace, name_in, rename};
pub use uptime::uptime;

#[cfg(test)]
mod tests;
