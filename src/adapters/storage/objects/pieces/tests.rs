use super::*;

#[test]
fn no_two_writes_share_a_piece() {
    assert_ne!(name(1), name(1));
    assert!(name(1) < name(2));
}
