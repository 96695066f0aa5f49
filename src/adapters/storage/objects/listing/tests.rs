use super::*;

#[test]
fn a_name_is_above_its_leaf_only() {
    assert_eq!(name_above("v1/current/link", "current/link"), Some("v1"));
    assert_eq!(name_above("v1/index/sha256/ab/link", "current/link"), None);
    assert_eq!(name_above("a/b/link", "link"), None);
    assert_eq!(name_above("blink", "link"), None);
    assert_eq!(name_above("a/b", ""), Some("a"));
    assert_eq!(name_above("a", ""), Some("a"));
}

/// storage.md section 5: `v1-rc.1/` is listed before `v1/`.
#[test]
fn a_name_is_listed_after_its_continuations() {
    let later: Vec<_> = listed_later("v1-rc.1").collect();
    assert_eq!(later, ["v1", "v1-rc"]);
    assert_eq!(listed_later("v10").count(), 0);
    assert_eq!(listed_later("-x").count(), 0);
}
