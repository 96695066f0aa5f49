use super::*;

#[test]
fn the_distance_counts_letters() {
    for (left, right, letters) in [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("port", "prot", 2),
        ("kitten", "sitting", 3),
    ] {
        assert_eq!(distance(left, right), letters, "{left} {right}");
    }
}

#[test]
fn of_names_that_are_as_near_the_one_that_begins_alike_is_meant() {
    let names = ["identity.id", "identity.username"];

    assert_eq!(nearest("identity.user", &names), Some("identity.username"));
    assert_eq!(nearest("Identity.ID", &names), Some("identity.id"));
    assert_eq!(nearest("certificate", &names), None);
}
