//! A configuration that changes while the server runs (lessons.md, correctness 45).
//!
//! `RELOADS` says how often it changes under load (12 by default).

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::client::{Client, Failure, digest_of, image};
use crate::server::{Place, Server};

/// How long after it was made a change counts at the latest.
const SOON: Duration = Duration::from_secs(2);

const RELOADED: &str = "configuration reloaded";
const REFUSED: &str = "the configuration was not reloaded";

/// What the log says after the point that was read last.
struct Log<'a> {
    place: &'a Place,
    read: usize,
}

impl<'a> Log<'a> {
    fn of(place: &'a Place) -> Self {
        let read = place.log().len();
        Self { place, read }
    }

    /// Waits for a line with the words; what was said up to its end, and how long it took.
    fn wait_for(&mut self, words: &str) -> (String, Duration) {
        let begun = Instant::now();
        loop {
            let log = self.place.log();
            let new = &log[self.read..];
            let end = new
                .find(words)
                .and_then(|at| Some(at + new[at..].find('\n')?));
            if let Some(end) = end {
                let said = &new[..end];
                self.read += said.len();
                return (said.to_owned(), begun.elapsed());
            }
            assert!(begun.elapsed() < SOON * 5, "{words:?} is not in:\n{new}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Insists that a change, which was made just now, counts in time.
    fn expect(&mut self, words: &str) -> String {
        let (said, waited) = self.wait_for(words);
        assert!(waited < SOON, "it took {waited:?}");
        said
    }
}

/// A configuration of this place; `probe` says whether everybody may do everything in `probe`.
fn config(place: &Place, extra: &str, server: &str, probe: bool) -> String {
    format!(
        "{extra}\n[server]\nport = {}\n{server}\n[storage.fs]\nroot_dir = \"{}\"\n\
         [repository.\"*\".access_policy]\ndefault_allow = true\n\
         [repository.probe.access_policy]\ndefault_allow = {probe}\n",
        place.port,
        place.root().display()
    )
}

/// As editors save.
fn rename_over(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

fn probe(client: &mut Client) -> u16 {
    client.get("/v2/probe/tags/list").unwrap().status
}

/// What may be done in `probe`: nothing is there, or nobody is told.
const ALLOWED: u16 = 404;
const DENIED: u16 = 403;

/// An image in `load`, which is pulled and pushed over and over.
struct Load {
    client: Client,
    manifest: Vec<u8>,
    blob: String,
}

impl Load {
    fn new(server: &Server) -> Self {
        let mut client = server.client();
        let content = vec![1; 100_000];
        let blob = client.push_blob("load", &content).unwrap();
        let config = client.push_blob("load", b"{}").unwrap();
        let manifest = image((&config, 2), &[(blob.clone(), content.len())]);
        client.put_manifest("load", "latest", &manifest).unwrap();
        Self {
            client,
            manifest,
            blob,
        }
    }

    fn once(&mut self, number: u64) -> Result<(), Failure> {
        let blob = format!("/v2/load/blobs/{}", self.blob);
        self.client.expect(200, "GET", &blob, &[], &[])?;
        let manifest = "/v2/load/manifests/latest";
        self.client.expect(200, "GET", manifest, &[], &[])?;
        if number.is_multiple_of(8) {
            let content = number.to_string();
            self.client.push_blob("load", content.as_bytes())?;
            self.client.put_manifest("load", "latest", &self.manifest)?;
        }
        Ok(())
    }
}

/// Requests at full rate, on connections that are never made anew, until told to stop. How many there were.
fn load(
    server: &Server,
    stop: &Arc<AtomicBool>,
) -> Vec<std::thread::JoinHandle<Result<u64, String>>> {
    let number = Arc::new(AtomicU64::new(0));
    let start = |_| {
        let mut load = Load::new(server);
        let (stop, number) = (Arc::clone(stop), Arc::clone(&number));
        std::thread::spawn(move || {
            load.client.reconnects = false;
            let mut done = 0;
            while !stop.load(Ordering::Relaxed) {
                let number = number.fetch_add(1, Ordering::Relaxed);
                load.once(number)
                    .map_err(|failure| format!("{failure:?}"))?;
                done += 1;
            }
            Ok(done)
        })
    };
    (0..4).map(start).collect()
}

/// What the server has open, told by `/proc`.
fn opened(server: &Server) -> Vec<String> {
    let all = fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap();
    let names = all.filter_map(|one| fs::read_link(one.ok()?.path()).ok());
    names.map(|it| it.display().to_string()).collect()
}

/// Insists that no more than so much is open before long: a connection that its client has left is closed a little later.
fn expect_open(server: &Server, limit: usize) {
    let begun = Instant::now();
    loop {
        let open = opened(server);
        if open.len() <= limit {
            return;
        }
        assert!(begun.elapsed() < SOON, "more than {limit}: {open:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn under_load_every_change_counts_in_time_and_nobody_notices() {
    #[expect(clippy::disallowed_methods, reason = "how often: told by CI")]
    let reloads = std::env::var("RELOADS")
        .ok()
        .and_then(|it| it.parse().ok())
        .unwrap_or(12);
    let place = Place::new("");
    fs::write(place.config(), config(&place, "", "", false)).unwrap();
    let server = place.start_observed();
    let stop = Arc::new(AtomicBool::new(false));
    let loads = load(&server, &stop);
    let mut log = Log::of(&place);
    let mut old = server.client();
    assert_eq!(probe(&mut old), DENIED);
    old.reconnects = false;
    let open = opened(&server).len();

    let mut slowest = Duration::ZERO;
    let mut allowed = false;
    for change in 0..reloads {
        let limits = format!("max_concurrent_requests = {}", 4 + change % 3);
        let timeout = format!("query_timeout = {}", 60 + change);
        let broken = change % 2 == 1;
        let text = if broken {
            config(&place, &limits, "query_timeout = \"soon\"", !allowed)
        } else {
            allowed = !allowed;
            config(&place, &limits, &timeout, allowed)
        };
        if change % 4 < 2 {
            rename_over(&place.config(), &text);
        } else {
            fs::write(place.config(), text).unwrap();
        }

        let (said, waited) = log.wait_for(if broken { REFUSED } else { RELOADED });
        let status = if allowed { ALLOWED } else { DENIED };
        assert_eq!(probe(&mut old), status, "on a connection that was there");
        assert_eq!(probe(&mut server.client()), status, "on a new one");
        assert!(waited < SOON, "change {change} took {waited:?}");
        slowest = slowest.max(waited);
        if broken {
            assert!(said.contains("config.toml:4:"), "{said}");
            assert!(said.contains("server.query_timeout: "), "{said}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut requests = 0;
    for load in loads {
        requests += load.join().unwrap().unwrap();
    }

    println!(
        "{reloads} changes, the slowest seen after {slowest:?}; {requests} rounds of requests"
    );
    let whole = place.log();
    let said = |words| whole.matches(words).count();
    assert_eq!(said(REFUSED), reloads / 2, "each mistake is told once");
    assert_eq!(said(RELOADED), reloads - reloads / 2);
    expect_open(&server, open + 4);
}

/// As Kubernetes mounts what it calls a config map.
#[cfg(unix)]
#[test]
fn a_swapped_link_and_a_signal_reload() {
    let place = Place::new("");
    let swap = |place: &Place, version: &str, text: &str| {
        let dir = place.dir.path();
        fs::create_dir(dir.join(version)).unwrap();
        fs::write(dir.join(version).join("config.toml"), text).unwrap();
        std::os::unix::fs::symlink(version, dir.join("..new")).unwrap();
        fs::rename(dir.join("..new"), dir.join("..data")).unwrap();
    };
    fs::remove_file(place.config()).unwrap();
    std::os::unix::fs::symlink("..data/config.toml", place.config()).unwrap();
    swap(&place, "1", &config(&place, "", "", false));
    let server = place.start_observed();
    let mut client = server.client();
    let mut log = Log::of(&place);

    for (version, allowed) in [("2", true), ("3", false)] {
        swap(&place, version, &config(&place, "", "", allowed));
        log.expect(RELOADED);
        assert_eq!(probe(&mut client) == ALLOWED, allowed);
    }

    server.signal(Signal::SIGHUP);
    log.expect(RELOADED);
}

#[test]
fn what_can_not_change_is_named_and_the_rest_counts() {
    let place = Place::new("");
    let server = place.start_observed();
    let mut log = Log::of(&place);
    let text = config(&place, "", "bind_address = \"127.0.0.2\"", false);
    let text = text.replace(&format!("port = {}", place.port), "port = 1");
    fs::write(place.config(), text).unwrap();

    let said = log.expect(RELOADED);

    for key in ["server.bind_address", "server.port"] {
        assert!(said.contains(&format!("{key}: can't change")), "{said}");
    }
    assert_eq!(probe(&mut server.client()), DENIED);
}

/// Nothing falls back to something weaker.
#[test]
fn a_file_that_is_gone_or_empty_changes_nothing() {
    let place = Place::new("");
    fs::write(place.config(), config(&place, "", "", false)).unwrap();
    let server = place.start_observed();
    let mut log = Log::of(&place);

    fs::remove_file(place.config()).unwrap();
    let said = log.expect(REFUSED);
    assert!(said.contains("config.toml: can't be read"), "{said}");
    fs::write(place.config(), "").unwrap();
    log.expect(REFUSED);
    assert_eq!(probe(&mut server.client()), DENIED);

    fs::write(place.config(), config(&place, "", "", true)).unwrap();
    log.expect(RELOADED);
    assert_eq!(probe(&mut server.client()), ALLOWED);
}

/// Who writes by the locks of one store and who writes by those of another don't see each other.
#[test]
fn writes_to_a_new_store_wait_for_those_to_the_old_one() {
    let place = Place::new("");
    let server = place.start_observed();
    let mut log = Log::of(&place);
    let content = vec![7; 100_000];
    let digest = digest_of(&content);
    let mut slow = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    write!(
        slow,
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        content.len()
    )
    .unwrap();
    slow.write_all(&content[..50_000]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let blob = format!("/v2/a/blobs/{digest}");

    let other = place.dir.path().join("other");
    let old = config(&place, "", "", true);
    let root = place.root().display().to_string();
    let new = old.replace(&root, &other.display().to_string());
    fs::write(place.config(), &new).unwrap();
    log.expect(RELOADED);

    let mut client = server.client();
    let pushing = std::thread::spawn(move || client.push_blob_at_once("a", b"new"));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(
        server.client().get(&blob).unwrap().status,
        404,
        "pulls go on"
    );
    assert!(!pushing.is_finished());
    slow.write_all(&content[50_000..]).unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).unwrap();

    assert_eq!(&answer, b"HTTP/1.1 201", "on the old one");
    let pushed = pushing.join().unwrap().unwrap();
    let pushed = format!("/v2/a/blobs/{pushed}");
    assert_eq!(server.client().get(&pushed).unwrap().status, 200);

    // To and fro: nothing of a store that is left stays open.
    let open = opened(&server).len();
    for text in [&old, &new, &old] {
        fs::write(place.config(), text).unwrap();
        log.expect(RELOADED);
        server.client().push_blob_at_once("b", b"x").unwrap();
    }
    assert_eq!(server.client().get(&blob).unwrap().body, content);
    expect_open(&server, open + 2);
}

/// Nobody pays for what nobody sees, and a store that is seen from now on keeps its locks and its content.
#[test]
fn operations_of_the_store_are_measured_once_metrics_are_shown() {
    let place = Place::new("");
    let server = place.start_observed();
    let mut client = server.client();
    let mut log = Log::of(&place);
    let mut push = |content: &[u8]| {
        let path = format!("/v2/a/blobs/uploads/?digest={}", digest_of(content));
        let pushed = client.send("POST", &path, &[], content).unwrap();
        assert_eq!(pushed.status, 201);
    };
    push(b"before");

    let shown = "observability = { on_main = true }";
    rename_over(&place.config(), &config(&place, shown, "", false));
    log.expect(RELOADED);
    push(b"after");

    let metrics = server.client().get("/metrics").unwrap().text();
    let commits = "operation_duration_seconds_count{operation=\"content_commit\"} 1\n";
    assert!(metrics.contains(commits), "{metrics}");
    let path = format!("/v2/a/blobs/{}", digest_of(b"before"));
    assert_eq!(server.client().get(&path).unwrap().text(), "before");
}
