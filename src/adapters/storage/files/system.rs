//! Calls that only some systems have, each with a portable twin.
//!
//! The twin is compiled on other systems, and here with the feature `portable`,
//! so that it is tested too.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

/// Sets the file's modification time to now, by the file system's own clock.
/// Creates nothing.
pub(super) fn touch(path: &Path) -> io::Result<()> {
    let follow = UtimensatFlags::FollowSymlink;
    let dir = nix::fcntl::AT_FDCWD;
    Ok(utimensat(
        dir,
        path,
        &TimeSpec::UTIME_OMIT,
        &TimeSpec::UTIME_NOW,
        follow,
    )?)
}

/// Opens the file to read it; where the system can do that, without a trace: the
/// time of the last read is then that of somebody else.
pub(super) fn open(path: &Path) -> io::Result<File> {
    match native::open_quietly(path) {
        // It is somebody else's.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        opened => opened,
    }
}

/// When somebody else last read the file, if that was after it was written.
/// `None` where nobody can tell: also where this program's reads leave traces.
pub(super) fn read_at(path: &Path) -> io::Result<Option<SystemTime>> {
    let metadata = match native::open_quietly(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        opened => opened?.metadata()?,
    };
    let read_at = metadata.accessed()?;
    let is_known = native::IS_QUIET && read_at > metadata.modified()?;
    Ok(is_known.then_some(read_at))
}

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod native {
    use std::os::unix::fs::OpenOptionsExt;

    use nix::fcntl::OFlag;
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::{ReadWriteFlags, preadv2};

    use super::{File, Path, io};

    /// Opens the file, without a trace, if the kernel has in memory what its path
    /// says.
    pub(in super::super) fn open_in_memory(path: &Path) -> io::Result<File> {
        open(path, OFlags::RDONLY | OFlags::NOATIME)
    }

    /// The file, if the kernel has in memory what its path says: it can't be
    /// read, but tells its size and times.
    pub(in super::super) fn find_in_memory(path: &Path) -> io::Result<File> {
        open(path, OFlags::PATH)
    }

    fn open(path: &Path, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::CLOEXEC;
        Ok(openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED)?.into())
    }

    /// Reads what the kernel has in memory of these bytes: how many from the first.
    pub(in super::super) fn read_in_memory(
        file: &File,
        bytes: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        let mut bytes = [io::IoSliceMut::new(bytes)];
        Ok(preadv2(file, &mut bytes, offset, ReadWriteFlags::NOWAIT)?)
    }

    /// Whether [`open_quietly`] is any different.
    pub(super) const IS_QUIET: bool = true;

    /// Refused where the file is another user's.
    pub(super) fn open_quietly(path: &Path) -> io::Result<File> {
        let flags = OFlag::O_NOATIME.bits();
        let mut options = File::options();
        options.read(true).custom_flags(flags).open(path)
    }

    /// Whether [`syncfs`] does anything.
    pub(in super::super) const HAS_SYNCFS: bool = true;

    /// Makes everything in the file system of `dir` durable.
    pub(in super::super) fn syncfs(dir: &File) -> io::Result<()> {
        Ok(nix::unistd::syncfs(dir)?)
    }

    /// Changes with each boot: what was not synced under another one is lost.
    pub(in super::super) fn boot_id() -> String {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(
            |_| uuid::Uuid::new_v4().to_string(),
            |id| id.trim().to_owned(),
        )
    }
}

#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
mod native {
    use super::{File, Path, io};

    pub(in super::super) fn open_in_memory(_: &Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn find_in_memory(_: &Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn read_in_memory(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) const IS_QUIET: bool = false;

    pub(super) fn open_quietly(path: &Path) -> io::Result<File> {
        File::open(path)
    }

    pub(in super::super) const HAS_SYNCFS: bool = false;

    pub(in super::super) fn syncfs(_: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Without a way to tell boots apart, every start counts as one.
    pub(in super::super) fn boot_id() -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

pub(super) use native::{
    HAS_SYNCFS, boot_id, find_in_memory, open_in_memory, read_in_memory, syncfs,
};

/// Asks the system to write everything out. It may return before that is done:
/// it is for leftovers of dead processes, not for promises.
pub(super) fn sync_everything() {
    nix::unistd::sync();
}
