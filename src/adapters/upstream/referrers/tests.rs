use super::*;

#[test]
fn the_next_page_is_known_by_its_query() {
    for (link, query) in [
        (
            r#"</v2/a/referrers/sha256:0?n=1&last=b>; rel="next""#,
            Some("n=1&last=b"),
        ),
        (r#"<https://evil.example/?n=1>; rel="next""#, Some("n=1")),
        (r"<?n=1>;rel=next", Some("n=1")),
        (r#"</v2/a?n=1>; title="x"; rel="next""#, Some("n=1")),
        (r#"</v2/a?n=1>; rel="prev""#, None),
        (r#"</v2/a>; rel="next""#, None),
        ("", None),
        ("<", None),
    ] {
        assert_eq!(next_page(link).as_deref(), query, "{link}");
    }
}
