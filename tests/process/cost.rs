//! What a pass of the collector costs at its own pace, over a tree that is written here.
//!
//! `COST_MANIFESTS` says how many manifests there are (200 by default; CI: 10,000), each with ten links.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::{digest_of, image};
use crate::server::{Place, Server};

/// Each holds as many manifests, over the same blobs.
const REPOSITORIES: usize = 10;

/// How many blobs a manifest names.
const LINKS: usize = 10;

/// What a pass may take of a processor, with what the rest of the server does.
const SHARE: f64 = 0.055;

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A tree as another registry leaves it, without records of ours: its manifests are old, and so is everything else.
fn tree(root: &Path, manifests: usize) {
    let root = root.join("docker/registry/v2");
    let data = |digest: &str| {
        let hex = digest.replace("sha256:", "");
        root.join(format!("blobs/sha256/{}/{hex}/data", &hex[..2]))
    };
    let link = |repository: usize, dir: &str, digest: &str| {
        let hex = digest.replace("sha256:", "");
        root.join(format!(
            "repositories/cost/{repository}/{dir}/sha256/{hex}/link"
        ))
    };
    let each = manifests / REPOSITORIES;
    for number in 0..each {
        let blobs: Vec<_> = (0..LINKS)
            .map(|n| format!("{number} {n}").into_bytes())
            .collect();
        let named: Vec<_> = blobs.iter().map(|it| (digest_of(it), it.len())).collect();
        for (blob, (digest, _)) in blobs.iter().zip(&named) {
            write(&data(digest), blob);
            let first = link(0, "_layers", digest);
            write(&first, digest.as_bytes());
            for repository in 1..REPOSITORIES {
                let more = link(repository, "_layers", digest);
                fs::create_dir_all(more.parent().unwrap()).unwrap();
                fs::hard_link(&first, more).unwrap();
            }
        }
        for repository in 0..REPOSITORIES {
            let layers: Vec<_> = named[1..]
                .iter()
                .map(|(digest, size)| (digest.clone(), size + repository))
                .collect();
            let manifest = image((&named[0].0, named[0].1), &layers);
            let digest = digest_of(&manifest);
            write(&data(&digest), &manifest);
            let revision = link(repository, "_manifests/revisions", &digest);
            write(&revision, digest.as_bytes());
        }
    }
}

/// The seconds that processors worked for the server, and the bytes that it has read.
fn spent(server: &Server) -> (f64, u64) {
    let proc = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", server.id())).unwrap();
    let stat = proc("stat");
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u32 = [11, 12]
        .map(|n| fields[n].parse::<u32>().unwrap())
        .iter()
        .sum();
    let io = proc("io");
    let read = io
        .lines()
        .find_map(|line| line.strip_prefix("rchar: "))
        .unwrap();
    (f64::from(ticks) / 100.0, read.parse().unwrap())
}

fn most_memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_pass_reads_new_manifests_only_and_takes_a_twentieth_of_a_processor() {
    #[expect(clippy::disallowed_methods, reason = "how large: told by CI")]
    let told = std::env::var("COST_MANIFESTS").ok();
    let manifests: usize = told.map_or(200, |text| text.parse().unwrap());
    let place = Place::new("[collector]\ninterval = 1\ngrace_period = \"1h\"\n");
    tree(&place.root(), manifests);

    let server = place.start_observed();
    let mut passes = Vec::new();
    for number in 1..=2 {
        let (begun, (worked, read)) = (Instant::now(), spent(&server));
        while place.log().matches("collected").count() < number {
            assert!(begun.elapsed() < Duration::from_hours(2), "{}", place.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        let (wall, (worked_then, read_then)) = (begun.elapsed(), spent(&server));
        let (worked, read) = (worked_then - worked, read_then - read);
        println!("pass {number}: {wall:?}, {worked} s of a processor, {read} bytes read");
        passes.push((wall.as_secs_f64(), worked, read));
    }
    let memory = most_memory(&server);
    println!(
        "{manifests} manifests, {} links: {memory} KiB",
        manifests * LINKS
    );

    let log = place.log();
    assert!(log.contains("doubts=0"), "{log}");
    let seen = manifests * LINKS + 2 * manifests + manifests / REPOSITORIES * LINKS;
    assert!(log.contains(&format!("seen={seen}")), "not {seen}: {log}");
    for (wall, worked, _) in &passes {
        assert!(*worked <= wall * SHARE + 0.1, "{worked} s in {wall} s");
    }
    let bytes = manifests as u64 * 1000;
    assert!(passes[0].2 > bytes, "manifests were read");
    assert!(passes[1].2 < bytes / 10, "none was read again");
    assert!(memory < 256 * 1024, "{memory} KiB");
}
