//! Values as the configuration writes them: sizes, durations, URLs, secrets. The one thing adapter families share.

mod byte_size;
mod fields;
mod http_url;
mod nearest;
mod seconds;

pub use byte_size::{BadByteSize, ByteSize};
pub use fields::{filled, optional_path, optional_port, optional_secret, path, port, secret, text};
pub use http_url::{BadUrl, HttpUrl};
pub use nearest::nearest;
pub use seconds::{BadSeconds, Seconds};

#[cfg(test)]
mod tests;
