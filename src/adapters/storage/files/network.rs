//! File systems that other machines may write to as well.

use std::path::Path;

/// What kind of network file system `path` is on; `None` for any other, and
/// where the system does not say.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(in super::super) fn kind(path: &Path) -> Option<&'static str> {
    let system = nix::sys::statfs::statfs(path).ok()?.filesystem_type();
    name_of(&format!("{:x}", system.0))
}

/// Systems that tell it another way.
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub(in super::super) fn kind(_: &Path) -> Option<&'static str> {
    None
}

/// By the number that Linux gives it (statfs(2)), in hexadecimal. FUSE may be
/// anything, sshfs as well as a local disk.
#[cfg_attr(
    not(all(target_os = "linux", not(feature = "portable"))),
    allow(dead_code)
)]
fn name_of(number: &str) -> Option<&'static str> {
    Some(match number {
        "6969" => "NFS",
        "517b" | "ff534d42" | "fe534d42" => "SMB",
        "65735546" => "FUSE",
        "1021997" => "9P",
        "c36400" => "Ceph",
        "bd00bd0" => "Lustre",
        "1161970" => "GFS2",
        "7461636f" => "OCFS2",
        "5346414f" | "6b414653" => "AFS",
        "73757245" => "Coda",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        let (ext4, tmpfs, overlay) = ("ef53", "1021994", "794c7630");
        for local in [ext4, tmpfs, overlay, "58465342", "9123683e"] {
            assert_eq!(name_of(local), None);
        }
        for (number, name) in [("6969", "NFS"), ("ff534d42", "SMB"), ("65735546", "FUSE")] {
            assert_eq!(name_of(number), Some(name));
        }
    }

    #[cfg(all(target_os = "linux", not(feature = "portable")))]
    #[test]
    fn the_number_is_the_one_that_the_system_tells() {
        let proc = nix::sys::statfs::statfs("/proc").unwrap();
        assert_eq!(format!("{:x}", proc.filesystem_type().0), "9fa0");
        assert_eq!(kind(Path::new("/proc")), None);
        assert_eq!(kind(Path::new("/nowhere/at/all")), None);
    }
}
