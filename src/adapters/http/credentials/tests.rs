use hyper::header::HeaderValue;

use super::*;

fn shown(values: &[&str]) -> Result<Option<(String, String)>, Malformed> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    Ok(super::shown(&headers)?.map(|shown| match shown {
        Shown::Basic(it) => (it.username().to_owned(), it.password().to_owned()),
        Shown::Bearer(token) => {
            let token = String::from_utf8(token.to_vec()).unwrap();
            ("Bearer".to_owned(), token)
        }
    }))
}

#[test]
fn a_user_name_ends_at_the_first_colon() {
    for (value, username, password) in [
        ("Basic YWxpY2U6c2VjcmV0", "alice", "secret"),
        ("basic YWxpY2U6c2VjcmV0", "alice", "secret"),
        ("BASIC   YWxpY2U6c2VjcmV0 ", "alice", "secret"),
        ("Basic YWxpY2U6YTpiOmM=", "alice", "a:b:c"),
        ("Basic YWxpY2U6YTpiOmM", "alice", "a:b:c"),
        ("Basic YWxpY2U6", "alice", ""),
        ("Basic OnNlY3JldA==", "", "secret"),
        ("Basic w6k6w6k=", "é", "é"),
        ("Bearer a.b.c", "Bearer", "a.b.c"),
        ("bearer  a.b.c ", "Bearer", "a.b.c"),
    ] {
        let expected = Some((username.to_owned(), password.to_owned()));
        assert_eq!(shown(&[value]), Ok(expected), "{value}");
    }
}

#[test]
fn what_is_neither_basic_nor_bearer_is_malformed_and_not_absent() {
    for values in [
        &[""][..],
        &["Basic"],
        &["Basic "],
        &["BasicYWxpY2U6c2VjcmV0"],
        &["Basic YWxpY2U"],
        &["Basic !!!!"],
        &["Basic /zov"],
        &["Bearer"],
        &["Bearer\u{e9} x"],
        &["Digest YWxpY2U6c2VjcmV0"],
        &["Basic YWxpY2U6c2VjcmV0", "Basic YWxpY2U6c2VjcmV0"],
    ] {
        assert_eq!(shown(values), Err(Malformed), "{values:?}");
    }
    assert_eq!(shown(&[]), Ok(None));
}
