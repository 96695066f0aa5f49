use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::*;
use crate::ports::MOUNT_HINTS;

/// Other tests of this process count as well.
#[test]
fn each_cache_is_shown_with_its_hits_and_misses() {
    let before = (MOUNT_HINTS.hits(), MOUNT_HINTS.misses());
    MOUNT_HINTS.note(true);
    MOUNT_HINTS.note(false);
    assert!(MOUNT_HINTS.hits() > before.0 && MOUNT_HINTS.misses() > before.1);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Caches));
    let mut text = String::new();

    encode(&mut text, &registry).unwrap();

    for cache in LOOKUPS.map(|it| it.cache) {
        for result in ["hit", "miss"] {
            let labels = format!(r#"lookups_total{{cache="{cache}",result="{result}"}} "#);
            assert_eq!(text.matches(&labels).count(), 1, "{labels} in {text}");
        }
    }
}
