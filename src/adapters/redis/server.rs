//! Where Redis is: a server, or whoever its sentinels say is the primary.

use bb8_redis::bb8::ManageConnection;
use percent_encoding::percent_decode_str;
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, RedisError};
use tokio::sync::Mutex;

/// The port of a sentinel that names none.
const SENTINEL: u16 = 26379;

/// How connections are made and tested.
pub(super) struct Server {
    source: Source,
    config: AsyncConnectionConfig,
    /// Where it is, without what the URL says besides.
    pub(super) address: String,
}

enum Source {
    One(Client),
    Sentinels(Mutex<SentinelClient>),
}

/// Not a URL under which Redis can be reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadUrl {
    #[error("not the URL of a Redis server")]
    Server(#[source] RedisError),
    #[error("expected redis+sentinel://host:port,host:port/service")]
    Sentinels,
}

impl Server {
    pub(super) fn new(url: &str, config: AsyncConnectionConfig) -> Result<Self, BadUrl> {
        if let Some(rest) = url.strip_prefix("redis+sentinel://") {
            return Self::behind_sentinels(rest, false, config).ok_or(BadUrl::Sentinels);
        }
        if let Some(rest) = url.strip_prefix("rediss+sentinel://") {
            return Self::behind_sentinels(rest, true, config).ok_or(BadUrl::Sentinels);
        }
        let client = Client::open(url).map_err(BadUrl::Server)?;
        Ok(Self {
            address: client.get_connection_info().addr().to_string(),
            source: Source::One(client),
            config,
        })
    }

    /// `[user]:password@host:port,host:port/service/database`. The login is for
    /// Redis itself; TLS is for both.
    fn behind_sentinels(rest: &str, tls: bool, config: AsyncConnectionConfig) -> Option<Self> {
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let (hosts, path) = rest.split_once('/')?;
        let (service, database) = path.split_once('/').unwrap_or((path, "0"));
        let sentinels: Option<Vec<_>> = hosts.split(',').map(|at| sentinel(at, tls)).collect();
        if service.is_empty() {
            return None;
        }
        let mut builder =
            SentinelClientBuilder::new(sentinels?, service, SentinelServerType::Master)
                .ok()?
                .set_client_to_redis_db(database.parse().ok()?);
        if tls {
            builder = builder
                .set_client_to_redis_tls_mode(redis::TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(redis::TlsMode::Secure);
        }
        if let Some(login) = login {
            let (user, password) = login.split_once(':')?;
            if !user.is_empty() {
                builder = builder.set_client_to_redis_username(decoded(user)?);
            }
            builder = builder.set_client_to_redis_password(decoded(password)?);
        }
        Some(Self {
            source: Source::Sentinels(Mutex::new(builder.build().ok()?)),
            config,
            address: format!("{hosts} ({service})"),
        })
    }
}

fn sentinel(at: &str, tls: bool) -> Option<ConnectionAddr> {
    let (host, port) = match at.rsplit_once(':') {
        // A colon within brackets belongs to the address.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (at, SENTINEL),
    };
    let host = host.trim_matches(['[', ']']).to_owned();
    if host.is_empty() {
        return None;
    }
    Some(if tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    })
}

fn decoded(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    Some(text.into_owned())
}

impl ManageConnection for Server {
    type Connection = MultiplexedConnection;
    type Error = RedisError;

    async fn connect(&self) -> Result<Self::Connection, RedisError> {
        match &self.source {
            Source::One(client) => {
                client
                    .get_multiplexed_async_connection_with_config(&self.config)
                    .await
            }
            // Asked each time: it may be another one by now.
            Source::Sentinels(client) => {
                let mut client = client.lock().await;
                client.get_async_connection_with_config(&self.config).await
            }
        }
    }

    /// Asked whenever a connection is taken: one that has died since is replaced unnoticed.
    async fn is_valid(&self, connection: &mut Self::Connection) -> Result<(), RedisError> {
        redis::cmd("PING").query_async(connection).await
    }

    fn has_broken(&self, _: &mut Self::Connection) -> bool {
        false // a dead one shows when it is asked
    }
}

#[cfg(test)]
mod tests;
