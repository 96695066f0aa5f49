//! The server as a process.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Client;
use crate::ports::free_port;

const PROGRAM: &str = env!("CARGO_BIN_EXE_simple-registry");

/// A server on a port and a root of its own. Killed on drop.
pub struct Server {
    child: Child,
    pub port: u16,
}

/// Where a server keeps what it keeps, and what it is told.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub port: u16,
}

impl Place {
    /// A place with a configuration; `extra` is added at its top.
    pub fn new(extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let storage = format!("[storage.fs]\nroot_dir = \"{}\"\n", root.display());
        Self::over(dir, extra, &storage)
    }

    /// A place whose content lies elsewhere, by the sections in `extra`.
    pub fn elsewhere(extra: &str) -> Self {
        Self::over(tempfile::tempdir().unwrap(), extra, "")
    }

    fn over(dir: tempfile::TempDir, extra: &str, storage: &str) -> Self {
        // Free now, and free again after each kill: SO_REUSEADDR is tokio's default.
        let port = free_port();
        let config = format!(
            "{extra}\n[server]\nport = {port}\n{storage}\
             [repository.\"*\".access_policy]\ndefault_allow = true\n"
        );
        fs::write(dir.path().join("config.toml"), config).unwrap();
        Self { dir, port }
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config.toml")
    }

    /// What the servers of this place have logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Starts a server that logs what the app does, and what goes wrong.
    pub fn start_observed(&self) -> Server {
        self.start_logging("warn,simple_registry::app=info")
    }

    /// Starts a server that logs so much.
    pub fn start_logging(&self, filter: &str) -> Server {
        let mut command = Command::new(PROGRAM);
        command.env("RUST_LOG", filter);
        command.arg("-c").arg(self.config()).arg("server");
        Server::start(command, self.dir.path(), self.port)
    }

    /// A command of the program, beside its server.
    pub fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("-c").arg(self.config()).env("RUST_LOG", "warn");
        command
    }

    pub fn start(&self) -> Server {
        let mut command = Command::new(PROGRAM);
        command.arg("-c").arg(self.config()).arg("server");
        Server::start(command, self.dir.path(), self.port)
    }

    /// Starts a server that a shell hands file descriptor 3, as `LISTEN_FDS` says.
    pub fn start_activated(&self, socket: &TcpListener, notify: &Path) -> Server {
        use std::os::fd::AsFd;

        let script =
            r#"exec 3<&0 0</dev/null && LISTEN_PID=$$ LISTEN_FDS=1 exec "$1" -c "$2" server"#;
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh", PROGRAM])
            .arg(self.config());
        command.env("NOTIFY_SOCKET", notify);
        let port = socket.local_addr().unwrap().port();
        let socket = socket.as_fd().try_clone_to_owned().unwrap();
        Server::start_with(command, socket.into(), self.dir.path(), port)
    }

    /// Starts a server that logs everything it can.
    pub fn start_talkative(&self) -> Server {
        self.start_logging("simple_registry=trace")
    }

    /// Starts the server with only so many file descriptors.
    pub fn start_with_few_descriptors(&self, limit: u32) -> Server {
        let mut command = Command::new("sh");
        command.args(["-c", r#"ulimit -n "$1" && exec "$2" -c "$3" server"#, "sh"]);
        command
            .arg(limit.to_string())
            .arg(PROGRAM)
            .arg(self.config());
        Server::start(command, self.dir.path(), self.port)
    }

    /// Starts the server with a small file system of its own at the root,
    /// which only it sees and which goes with it.
    pub fn start_on_small_disk(&self, mebibytes: u32) -> Server {
        let script = r#"mount -t tmpfs -o "size=$1m" tmpfs "$2" && exec "$3" -c "$4" server"#;
        let mut command = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "sh", "-c", script, "sh"]);
        command.arg(mebibytes.to_string()).arg(self.root());
        command.arg(PROGRAM).arg(self.config());
        Server::start(command, self.dir.path(), self.port)
    }
}

impl Server {
    fn start(command: Command, dir: &Path, port: u16) -> Self {
        Self::start_with(command, Stdio::null(), dir, port)
    }

    fn start_with(mut command: Command, stdin: Stdio, dir: &Path, port: u16) -> Self {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.join("log"))
            .unwrap();
        if command.get_envs().all(|(name, _)| name != "RUST_LOG") {
            command.env("RUST_LOG", "warn");
        }
        command.stdin(stdin);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut server = Self {
            child: command.spawn().expect("start the server"),
            port,
        };
        let begun = Instant::now();
        loop {
            if let Ok(answer) = Client::new(port).get("/v2/") {
                assert_eq!(answer.status, 200);
                return server;
            }
            let log = || fs::read_to_string(dir.join("log")).unwrap_or_default();
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server left with {status}:\n{}", log());
            }
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "no answer:\n{}",
                log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn client(&self) -> Client {
        Client::new(self.port)
    }

    /// SIGKILL: nothing is finished, nothing is flushed.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the server to leave by itself.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < patience, "the server does not leave");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
