//! `run`: the arguments, the configuration, the runtime and the command, and what is said of their failures.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::cli::{Cli, Command, Policy, PolicyCommand, Stop};
use super::commands::{self, CommandError, about};
use super::config::{self, Config, ConfigError, Loaded, Source};
use super::logging;
use super::reload::Origin;
use super::service_manager;
use super::shutdown::Signals;
use crate::adapters::telemetry::traces::Traces;
use crate::adapters::units::one_thread;

/// The command failed.
const FAILED: u8 = 1;

/// `policy test`: the request is denied.
const DENIED: u8 = 2;

/// `scrub`: something is not as it should be.
const DAMAGED: u8 = 2;

/// `why` and `undelete`: nothing is known of it.
const UNKNOWN: u8 = 2;

/// The command line or the configuration makes no sense (`EX_USAGE` of sysexits).
const BAD_CONFIGURATION: u8 = 64;

/// Threads for calls that wait for a disk. The default configuration works on 50 requests at a time, each of which
/// waits for one such call at most; more threads would only queue in the kernel instead of here. (tokio's own 512
/// would let a slow disk take a gigabyte of stacks.) Those that small writes keep to themselves come on top.
const BLOCKING_THREADS: usize = 64 + one_thread::AT_MOST;

/// How long the end of the program waits for a call that a disk holds up.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// Runs the program.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::parse(arguments) {
        Ok(cli) => cli,
        Err(Stop::Help(help)) => {
            println!("{help}");
            return ExitCode::SUCCESS;
        }
        Err(Stop::Usage(message)) => {
            eprintln!("{message}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let source = Source::choose(cli.config.as_deref(), Path::new(""));
    // Read first, because it says how to log. Whether it can be used is the command's to say.
    let loaded = config::load(&source, &environment);
    let observability = loaded.as_ref().map(|it| it.config.observability.clone());
    let mut observability = observability.unwrap_or_default();
    if !matches!(cli.command, Command::Server(_)) {
        observability.tracing = None;
    }
    let traces = logging::start(environment("RUST_LOG").as_deref(), &observability);

    let done = match &cli.command {
        Command::CheckConfig(arguments) => execute(async |_| {
            let config = loaded?.announce();
            print(&commands::check_config::check_config(config, arguments).await?)
        }),
        Command::Completions(arguments) => print(&about::completions(arguments.shell)),
        Command::HashPassword(_) => commands::hash_password::hash_password().map(success),
        Command::Man(_) => print(&about::manual()),
        Command::Policy(policy) => execute(async |_| test_policy(&loaded?.announce(), policy)),
        Command::Schema(_) => print(&about::schema()),
        Command::Scrub(arguments) => execute(async |signals| {
            let config = loaded?.announce();
            let scrub = commands::scrub::scrub(config, arguments, &signals.stop);
            let is_sound = Box::pin(scrub).await?;
            Ok(ExitCode::from(if is_sound { 0 } else { DAMAGED }))
        }),
        Command::Server(_) => serve(source, loaded, traces),
        Command::Undelete(arguments) => execute(async |signals| {
            let config = loaded?.announce();
            let undelete = commands::undelete::undelete(config, arguments, &signals.stop);
            let Some(restored) = Box::pin(undelete).await? else {
                eprintln!("no deletion of it is known");
                return Ok(ExitCode::from(UNKNOWN));
            };
            println!("{restored}");
            Ok(ExitCode::SUCCESS)
        }),
        Command::Version(_) => print(&about::version()),
        Command::Why(arguments) => execute(async |signals| {
            let why = commands::why::why(loaded?.announce(), arguments, &signals.stop);
            let answer = Box::pin(why).await?;
            println!("{}", answer.text);
            let code = match answer.known {
                Some(true) => 0,
                Some(false) => UNKNOWN,
                None => FAILED,
            };
            Ok(ExitCode::from(code))
        }),
    };
    match done {
        Ok(code) => code,
        Err(error @ (CommandError::Configuration(_) | CommandError::Usage(_))) => {
            eprintln!("{error}");
            ExitCode::from(BAD_CONFIGURATION)
        }
        Err(error) => {
            tracing::error!("{}", error.with_causes());
            ExitCode::from(FAILED)
        }
    }
}

/// While there is one thread: the socket is looked for in the environment, which is changed.
fn serve(
    source: Source,
    loaded: Result<Loaded, ConfigError>,
    traces: Option<Traces>,
) -> Result<ExitCode, CommandError> {
    let socket = service_manager::inherited().map_err(CommandError::Inherited)?;
    execute(async |signals| {
        let stop = signals.stop.clone();
        let opening = Origin::open(source, loaded, environment);
        let served = commands::server::server(opening, socket, traces, stop).await;
        served.map(success)
    })
}

/// A reader that has read enough is no failure.
fn print(text: &str) -> Result<ExitCode, CommandError> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CommandError::Print(error)),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

fn success((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

/// Runs a command until it is done or stopped by force.
fn execute<C>(command: C) -> Result<ExitCode, CommandError>
where
    C: AsyncFnOnce(&Signals) -> Result<ExitCode, CommandError>,
{
    let runtime = runtime().map_err(CommandError::Runtime)?;
    let result = runtime.block_on(async {
        let signals = Signals::listen().map_err(CommandError::Runtime)?;
        tokio::select! {
            result = command(&signals) => result,
            () = signals.at_once.cancelled() => Err(CommandError::Interrupted),
        }
    });
    runtime.shutdown_timeout(LAST_CALLS);
    result
}

fn test_policy(config: &Config, policy: &Policy) -> Result<ExitCode, CommandError> {
    let PolicyCommand::Test(arguments) = &policy.command;
    let explanation = commands::policy::test(config, arguments)?;
    print!("{}", explanation.text);
    Ok(if explanation.allowed {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DENIED)
    })
}

/// One worker per core, which is tokio's default.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("registry")
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment; all others are handed it"
)]
fn environment(name: &str) -> Option<String> {
    // What is no text can't be a secret's value either.
    std::env::var(name).ok()
}
