//! Files keep every contract.

use simple_registry::adapters::storage::open_files;
use simple_registry::ports::StoragePorts;

struct Files {
    ports: StoragePorts,
    _root: tempfile::TempDir,
}

fn open() -> Files {
    let root = tempfile::tempdir().unwrap();
    let ports = open_files(root.path(), true, 64 << 10).unwrap();
    Files { ports, _root: root }
}

crate::backends::storage_contracts!(super::open());
