//! The program: hands its arguments to `app` and its answer to the operating system.

use std::process::ExitCode;

fn main() -> ExitCode {
    simple_registry::app::run(std::env::args_os())
}
