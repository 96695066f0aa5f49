//! From signals to cancellation: the first SIGTERM or SIGINT asks the program to end, the second makes it.

use std::io;

use tokio_util::sync::CancellationToken;

/// What the operating system has asked for so far.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Take nothing new, finish what is running.
    pub stop: CancellationToken,
    /// Leave now.
    pub at_once: CancellationToken,
}

impl Signals {
    /// Listens for signals from now on; must be called inside a runtime.
    ///
    /// # Errors
    /// When the operating system lets no handler be installed.
    pub fn listen() -> io::Result<Self> {
        let signals = Self {
            stop: CancellationToken::new(),
            at_once: CancellationToken::new(),
        };
        let mut source = platform::Source::new()?;
        let told = signals.clone();
        tokio::spawn(async move {
            let name = source.next().await;
            tracing::info!("{name}: finishing what is running; once more to leave at once");
            told.stop.cancel();
            let name = source.next().await;
            tracing::warn!("{name} again: leaving at once");
            told.at_once.cancel();
        });
        Ok(signals)
    }
}

/// SIGHUP, which asks for the configuration to be read again.
pub struct Hangups(platform::Hangups);

impl Hangups {
    /// Listens from now on; until then the signal ends the program. Must be called inside a runtime.
    ///
    /// # Errors
    /// When the operating system lets no handler be installed.
    pub fn listen() -> io::Result<Self> {
        platform::Hangups::new().map(Self)
    }

    /// The next one; several that come at once are one. None ever comes where the system has no such signal.
    pub async fn next(&mut self) {
        self.0.next().await;
    }
}

#[cfg(unix)]
mod platform {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(super) struct Hangups(Signal);

    impl Hangups {
        pub(super) fn new() -> io::Result<Self> {
            signal(SignalKind::hangup()).map(Self)
        }

        pub(super) async fn next(&mut self) {
            self.0.recv().await;
        }
    }

    pub(super) struct Source {
        terminate: Signal,
        interrupt: Signal,
    }

    impl Source {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            })
        }

        pub(super) async fn next(&mut self) -> &'static str {
            tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
            }
        }
    }
}

#[cfg(not(unix))]
mod platform {
    use std::io;

    pub(super) struct Hangups;

    impl Hangups {
        #[expect(clippy::unnecessary_wraps, reason = "its twin can fail")]
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn next(&mut self) {
            std::future::pending().await
        }
    }

    pub(super) struct Source;

    impl Source {
        #[expect(clippy::unnecessary_wraps, reason = "its twin can fail")]
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn next(&mut self) -> &'static str {
            if tokio::signal::ctrl_c().await.is_err() {
                // No handler: the system's own, which ends the program, stays in place.
                std::future::pending::<()>().await;
            }
            "Ctrl-C"
        }
    }
}
