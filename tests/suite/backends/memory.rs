//! The memory double keeps every contract.

use simple_registry::adapters::storage::open_memory;
use simple_registry::ports::StoragePorts;

struct Memory {
    ports: StoragePorts,
}

fn open() -> Memory {
    let ports = open_memory().unwrap();
    Memory { ports }
}

crate::backends::storage_contracts!(super::open());
