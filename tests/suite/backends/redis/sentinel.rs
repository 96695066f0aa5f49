//! A primary that dies, its replica, and the sentinel that knows.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::server::RedisServer;
use super::{PATIENCE, key, locks_with};
use crate::support::free_port;

struct Sentinel {
    port: u16,
    child: Child,
    _directory: tempfile::TempDir,
}

impl Sentinel {
    fn of(primary: &RedisServer) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sentinel.conf");
        let port = free_port();
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n",
            primary.port
        );
        std::fs::write(&file, text).unwrap();
        let child = Command::new("redis-server")
            .arg(&file)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            port,
            child,
            _directory: directory,
        }
    }

    /// Whether it knows of a replica that could take over.
    fn is_ready(&self) -> bool {
        let url = format!("redis://127.0.0.1:{}", self.port);
        let Ok(mut connection) = redis::Client::open(url).unwrap().get_connection() else {
            return false;
        };
        let known: redis::RedisResult<Vec<redis::Value>> = redis::cmd("SENTINEL")
            .arg("replicas")
            .arg("main")
            .query(&mut connection);
        known.is_ok_and(|replicas| !replicas.is_empty())
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn locks_follow_the_primary_that_the_sentinels_name() {
    let mut primary = RedisServer::start();
    let replica = RedisServer::with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let sentinel = Sentinel::of(&primary);
    let began = Instant::now();
    while !sentinel.is_ready() {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "the sentinel sees the replica"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    super::settle(&primary.url(), "");
    let url = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port);
    let locks = locks_with(&url, "", PATIENCE * 20);
    drop(locks.acquire(&key()).await.unwrap());

    primary.stop();

    let began = Instant::now();
    let _held = loop {
        match locks.acquire(&key()).await {
            Ok(held) => break held,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(40), "{error:?}"),
        }
    };
    let holder = replica.command(&["GET", "lock:tag team/app:v1"]);
    assert!(matches!(holder, redis::Value::BulkString(_)), "{holder:?}");
}
