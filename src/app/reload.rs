//! Reload: change, load, validate, build, swap. Any error keeps what runs.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::commands::CommandError;
use super::config::{self, Config, ConfigError, Loaded, Source};
use super::shutdown::Hangups;
use super::wiring::{self, Built, Shared};
use crate::adapters::file_watch::FileWatch;
use crate::adapters::http::Current;

/// The environment variables, for as long as the program runs.
pub type Variables = fn(&str) -> Option<String>;

/// Where the configuration comes from, and that it has changed.
pub struct Origin {
    file: PathBuf,
    variables: Variables,
    watch: FileWatch,
}

impl Origin {
    /// The configuration, as it is when the server starts, and where later ones come from: the file, also where there
    /// is none yet and the built-in configuration is used. `loaded` is what was in it a moment ago.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub async fn open(
        source: Source,
        loaded: Result<Loaded, ConfigError>,
        variables: Variables,
    ) -> Result<(Self, Config), ConfigError> {
        let file = match &source {
            Source::File(file) => file.clone(),
            Source::Embedded => PathBuf::from(config::DEFAULT_FILE),
        };
        let mut origin = Self {
            // Before it is read: what changes from now on is noticed.
            watch: FileWatch::new([file.clone()]).await,
            file,
            variables,
        };
        // Again, because it may have changed; but a pipe has its content once.
        let loaded = match &source {
            Source::File(file) if !file.is_file() => loaded,
            _ => config::load(&source, &variables),
        };
        let config = loaded?.announce();
        origin.follow(&config).await;
        Ok((origin, config))
    }

    /// Before the files that the configuration names are read.
    async fn follow(&mut self, config: &Config) {
        let files = std::iter::once(&self.file).chain(config.files());
        self.watch.follow(files.cloned()).await;
    }

    async fn load(&self) -> Result<Loaded, CommandError> {
        let (source, variables) = (Source::File(self.file.clone()), self.variables);
        let loaded = tokio::task::spawn_blocking(move || config::load(&source, &variables)).await;
        Ok(loaded.map_err(|panic| CommandError::Runtime(panic.into()))??)
    }
}

/// A server that runs, and can change.
pub struct Reloading {
    /// Where the configuration comes from.
    pub origin: Origin,
    /// What runs.
    pub running: watch::Sender<Arc<Built>>,
    /// Where requests find it.
    pub current: Arc<Current>,
}

impl Reloading {
    /// Follows the configuration until the server stops.
    pub async fn follow(&mut self, hangups: &mut Hangups, shared: &Shared) {
        let stop: &CancellationToken = &shared.stop;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.origin.watch.changed() => {}
                () = hangups.next() => {
                    tracing::info!("SIGHUP: reading the configuration again");
                    self.origin.watch.look().await;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                reloaded = self.reload(shared) => if let Err(error) = reloaded {
                    let why = error.with_causes().replace('\n', "; ");
                    tracing::error!("the configuration was not reloaded, the one before stays: {why}");
                },
            }
        }
    }

    /// Loads the configuration and builds what it describes; all of it counts from when this returns, or none.
    async fn reload(&mut self, shared: &Shared) -> Result<(), CommandError> {
        let running = Arc::clone(&self.running.borrow());
        let mut loaded = self.origin.load().await?;
        let kept = loaded.config.freeze(&running.config);
        self.origin.follow(&loaded.config).await;
        let file = loaded.file.clone();
        let built = wiring::build(loaded.announce(), Some(&running), shared).await?;
        for key in kept {
            tracing::warn!(
                "{file}: {key}: can't change while the server runs; it does with the next start"
            );
        }
        if let Some(exporting) = &shared.traces {
            exporting.follow(built.config.observability.tracing.as_ref());
        }
        self.current.replace(built.serving());
        self.running.send_replace(Arc::new(built));
        tracing::info!("configuration reloaded");
        Ok(())
    }
}
