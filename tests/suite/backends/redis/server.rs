//! A Redis server of the test's own; it ends with the value.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::Client;
use tempfile::TempDir;

use crate::support::free_port;

pub struct RedisServer {
    pub port: u16,
    directory: TempDir,
    arguments: Vec<String>,
    child: Child,
}

impl RedisServer {
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        loop {
            let port = free_port();
            let mut child = launch(port, &directory, &arguments);
            if is_up(port, &mut child) {
                return Self {
                    port,
                    directory,
                    arguments,
                    child,
                };
            }
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A new process on the same port, which remembers nothing.
    pub fn start_again(&mut self) {
        self.child = launch(self.port, &self.directory, &self.arguments);
        assert!(is_up(self.port, &mut self.child), "Redis comes up again");
    }

    /// Does a command, as another client.
    pub fn command(&self, words: &[&str]) -> redis::Value {
        let client = Client::open(self.url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut connection).unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn launch(port: u16, directory: &TempDir, arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(directory.path())
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is not here: apt-get install redis-server")
}

/// False where it ended, because somebody else had the port.
fn is_up(port: u16, child: &mut Child) -> bool {
    for _ in 0..500 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return child.try_wait().unwrap().is_none();
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("Redis does not come up");
}
