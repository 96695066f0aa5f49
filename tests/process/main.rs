//! The program as its operator meets it: a process that is started, signalled,
//! killed, and put on disks that fill up.

mod client;
mod collect;
mod cost;
mod crash;
mod descriptors;
mod full_disk;
mod log;
mod metrics;
mod otlp;
#[path = "../suite/support/ports.rs"]
mod ports;
mod race;
mod random;
mod reload;
mod server;
mod service_manager;
mod signals;
mod traces;
mod undo;
