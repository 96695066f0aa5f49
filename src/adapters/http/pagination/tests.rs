use proptest::prelude::*;

use super::*;

fn limit_of(query: &str) -> Result<Option<usize>, ()> {
    limit(&Query::parse(Some(query)).unwrap()).map_err(|_| ())
}

#[test]
fn a_number_of_entries_is_read_and_bounded() {
    let table = [
        ("", Ok(None)),
        ("n=0", Ok(Some(0))),
        ("n=7", Ok(Some(7))),
        ("n=007", Ok(Some(7))),
        ("n=10001", Ok(Some(MAX_PAGE))),
        ("n=99999999999999999999999999", Ok(Some(MAX_PAGE))),
        ("n=", Err(())),
        ("n=-1", Err(())),
        ("n=+1", Err(())),
        ("n=1.5", Err(())),
        ("n=ten", Err(())),
    ];
    for (query, expected) in table {
        assert_eq!(limit_of(query), expected, "{query}");
    }
}

#[test]
fn an_empty_last_is_none() {
    assert_eq!(last(&Query::parse(Some("last=")).unwrap()), None);
    assert_eq!(last(&Query::parse(Some("last=a")).unwrap()), Some("a"));
}

#[test]
fn a_link_is_relative_and_escaped() {
    let link = next_page("/v2/a/tags/list", &[("n", "5"), ("last", "v1.0+x&y")]);

    assert_eq!(
        link,
        "</v2/a/tags/list?n=5&last=v1.0%2Bx%26y>; rel=\"next\""
    );
}

proptest! {
    #[test]
    fn a_link_leads_back_to_what_it_was_made_of(value in ".*") {
        let link = next_page("/p", &[("last", &value)]);
        let query = link
            .strip_prefix("</p?")
            .and_then(|rest| rest.strip_suffix(">; rel=\"next\""))
            .unwrap();
        let query = Query::parse(Some(query)).unwrap();

        prop_assert_eq!(query.first("last"), Some(value.as_str()));
    }

    #[test]
    fn no_number_is_too_much(n in "[0-9]{1,40}") {
        let limit = limit_of(&format!("n={n}"));

        prop_assert!(matches!(limit, Ok(Some(limit)) if limit <= MAX_PAGE));
    }
}
