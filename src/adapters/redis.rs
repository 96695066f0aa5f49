//! Outbound: locks and caches between machines, in Redis.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bb8_redis::bb8::{ErrorSink, Pool, RunError};
use redis::{AsyncConnectionConfig, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use redis::{ScriptInvocation, Value};

use crate::adapters::units::uptime;
use crate::domain::model::Secret;
use crate::ports::CacheError;

mod cache;
pub mod config;
mod lease;
mod locks;
mod server;

pub use cache::RedisCache;
pub use locks::RedisLocks;
use server::Server;

/// How long a connection is waited for: from the pool, which tries again meanwhile.
const CONNECT: Duration = Duration::from_secs(2);

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(2);

/// How many connections there are at most. A lock's caller holds one for one
/// question at a time, never while it waits for the lock.
const CONNECTIONS: u32 = 8;

/// One Redis server, under the section of the configuration that names it.
#[derive(Clone)]
pub struct Redis {
    pool: Pool<Server>,
    complaint: Complaint,
    /// The server's address, without what the URL says besides.
    address: String,
    key: &'static str,
    prefix: String,
}

/// What Redis did not do: the key of the configuration to look at, and why.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct Failure {
    /// The key of the configuration that names the server.
    pub key: &'static str,
    problem: String,
    #[source]
    source: Option<RedisError>,
}

/// Why there is no connection: the pool makes them in the background, and tells
/// those who wait for one nothing but that it took too long.
#[derive(Clone, Debug, Default)]
struct Complaint(Arc<Mutex<Option<(Duration, RedisError)>>>);

impl ErrorSink<RedisError> for Complaint {
    fn sink(&self, error: RedisError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((uptime(), error));
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<RedisError>> {
        Box::new(self.clone())
    }
}

impl Complaint {
    /// The last one, if it may be about a wait that ends now.
    fn recent(&self) -> Option<RedisError> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, error) = last.as_ref()?;
        (uptime().saturating_sub(*at) <= CONNECT).then(|| error.clone())
    }
}

impl Redis {
    /// A server that is not asked anything yet, and need not be up. `key` is
    /// what the configuration calls its URL; every key in it begins with `prefix`.
    ///
    /// # Errors
    ///
    /// Where this is not the URL of a Redis server.
    pub fn new(url: &Secret, prefix: Option<&str>, key: &'static str) -> Result<Self, Failure> {
        // `rediss://` takes the process's provider. That somebody has installed
        // one already is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let server = Server::new(url.expose(), config).map_err(|bad| Failure {
            key,
            problem: bad.to_string(),
            source: None,
        })?;
        let address = server.address.clone();
        let complaint = Complaint::default();
        let pool = Pool::builder()
            .max_size(CONNECTIONS)
            .connection_timeout(CONNECT)
            .error_sink(complaint.boxed_clone())
            .build_unchecked(server);
        Ok(Self {
            pool,
            complaint,
            address,
            key,
            prefix: prefix.unwrap_or_default().to_owned(),
        })
    }

    /// Looks whether the server answers, and whether it may be relied on.
    /// Answers what an operator should know besides.
    ///
    /// # Errors
    ///
    /// Where it does not answer.
    pub async fn check(&self) -> Result<Option<String>, Failure> {
        let mut info = redis::cmd("INFO");
        info.arg("memory");
        let info: redis::InfoDict = self.query(&info).await?;
        let limit: u64 = info.get("maxmemory").unwrap_or_default();
        let policy: String = info.get("maxmemory_policy").unwrap_or_default();
        let evicts = limit > 0 && !policy.is_empty() && policy != "noeviction";
        Ok(evicts.then(|| {
            format!(
                "{}: the server at {} may throw keys away when it is full (maxmemory-policy {policy}); \
                 locks need noeviction",
                self.key, self.address
            )
        }))
    }

    /// Proposes a name for those who share this Redis and prefix, or none;
    /// answers the one that stands, which is the first.
    ///
    /// # Errors
    ///
    /// Where Redis does not answer.
    pub async fn agree(&self, name: Option<&str>) -> Result<Option<String>, Failure> {
        let script = redis::Script::new(
            r"if ARGV[1] ~= '' then redis.call('SET', KEYS[1], ARGV[1], 'NX') end
            return redis.call('GET', KEYS[1])",
        );
        let mut invocation = script.key(self.name("locks:group"));
        invocation.arg(name.unwrap_or_default());
        match self.run(&invocation).await? {
            Value::BulkString(name) => Ok(Some(String::from_utf8_lossy(&name).into_owned())),
            Value::Nil => Ok(None),
            other => Err(self.nonsense(&other)),
        }
    }

    /// The name of a key.
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn query<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, Failure> {
        let mut connection = self.pool.get().await.map_err(|e| self.no_connection(e))?;
        let answer = command.query_async(&mut *connection).await;
        answer.map_err(|error| self.failure(error))
    }

    /// Runs a script. It must do no harm if it is run twice: where a connection
    /// breaks, nobody knows whether it was.
    async fn run(&self, script: &ScriptInvocation<'_>) -> Result<Value, Failure> {
        match self.run_once(script).await {
            Err(failure) if failure.is_broken_connection() => self.run_once(script).await,
            result => result,
        }
    }

    async fn run_once(&self, script: &ScriptInvocation<'_>) -> Result<Value, Failure> {
        let mut connection = self.pool.get().await.map_err(|e| self.no_connection(e))?;
        let answer = script.invoke_async(&mut *connection).await;
        answer.map_err(|error| self.failure(error))
    }

    fn no_connection(&self, error: RunError<RedisError>) -> Failure {
        match error {
            RunError::User(error) => self.failure(error),
            RunError::TimedOut => match self.complaint.recent() {
                Some(error) => self.failure(error),
                None => Failure {
                    key: self.key,
                    problem: format!("the server at {} gives no connection", self.address),
                    source: None,
                },
            },
        }
    }

    /// An answer that no script of ours gives.
    fn nonsense(&self, answer: &Value) -> Failure {
        Failure {
            key: self.key,
            problem: format!("the server at {} answers {answer:?}", self.address),
            source: None,
        }
    }

    /// Says which of an operator's worries this is.
    fn failure(&self, error: RedisError) -> Failure {
        let at = &self.address;
        let problem = match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => {
                format!("the server at {at} refuses the URL's user name or password")
            }
            (ErrorKind::Server(ServerErrorKind::NoPerm), _) => format!(
                "the URL's user may not do at {at} what this needs (GET, SET, DEL, PEXPIRE, PTTL, INFO, EVALSHA, SCRIPT)"
            ),
            (_, Some("OOM")) => {
                format!("the server at {at} is full: give it more memory (maxmemory), or free some")
            }
            (_, Some("MISCONF")) => format!(
                "the server at {at} takes no writes because it can't save its own: look at its log and disk"
            ),
            (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => {
                format!("the server at {at} is a replica: name its primary")
            }
            (
                ErrorKind::Server(
                    ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot,
                ),
                _,
            ) => format!("the server at {at} is part of a Redis Cluster: name a single server"),
            (ErrorKind::MasterNameNotFoundBySentinel, _) => {
                format!("the sentinels at {at} know no primary of that name")
            }
            (ErrorKind::Io, _) => format!("the server at {at} is not reached"),
            _ => format!("the server at {at} does not do it"),
        };
        Failure {
            key: self.key,
            problem,
            source: Some(error),
        }
    }
}

impl From<Failure> for CacheError {
    fn from(failure: Failure) -> Self {
        Self(Box::new(failure))
    }
}

impl Failure {
    fn is_broken_connection(&self) -> bool {
        let source = self.source.as_ref();
        source.is_some_and(|error| error.is_io_error() && !error.is_connection_refusal())
    }
}
