use proptest::prelude::*;

use super::{ACCESS, RETENTION, first_of};

#[test]
fn a_name_is_found_with_its_field() {
    for (rule, found) in [
        ("image.tag != \"latest\"", Some("image.tag")),
        ("top(image.tag, last_pulled, 10)", Some("image.tag")),
        ("now() > last_pushed[0]", Some("last_pushed")),
        ("!(image == null)", Some("image")),
        ("identity.username == 'image.tag'", None),
        ("identity.id == \"a\\\"image.tag\"", None),
        ("request.image == 'x'", None),
        ("my_image.tag == 'x'", None),
        ("imagery.tag == 'x'", None),
        ("'unterminated image.tag", None),
        ("", None),
    ] {
        assert_eq!(first_of(RETENTION, rule).as_deref(), found, "{rule}");
    }
    assert_eq!(
        first_of(ACCESS, "image.tag == request.namespace").as_deref(),
        Some("request.namespace")
    );
}

proptest! {
    #[test]
    fn no_rule_makes_it_panic(rule in ".*") {
        let _ = first_of(RETENTION, &rule);
    }
}
