use super::*;

fn parse(text: &str) -> Result<PasswordHash, BadHash> {
    PasswordHash::parse(&Secret::new(text.to_owned()))
}

const TAIL: &str = "c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGE";

#[test]
fn a_hash_that_was_made_here_is_verified_here() {
    let made = hash(&Secret::new("secret".to_owned())).unwrap();
    assert!(
        made.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{made}"
    );

    let hash = parse(&made).unwrap();

    assert!(hash.verify(b"secret"));
    assert!(!hash.verify(b"Secret"));
    assert!(!hash.verify(b""));
}

/// By OpenSSL's argon2id, through Python's `cryptography`: salt `somesalt`, two lanes.
#[test]
fn a_hash_that_was_made_elsewhere_is_verified_as_well() {
    let hash = parse(
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
    );

    assert!(hash.unwrap().verify(b"password"));
}

#[test]
fn what_can_not_be_verified_is_refused_when_it_is_read() {
    for (text, expected) in [
        ("hunter2".to_owned(), BadHash::Form),
        ("$2y$05$abcdefghijklmnopqrstuv".to_owned(), BadHash::Form),
        ("$scrypt$v=19$m=8,t=1,p=1$".to_owned() + TAIL, BadHash::Form),
        ("$argon2id$v=19$m=8,t=1,p=1".to_owned(), BadHash::Form),
        (
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ".to_owned(),
            BadHash::Form,
        ),
        (
            "$argon2id$v=18$m=8,t=1,p=1$".to_owned() + TAIL,
            BadHash::Version,
        ),
        ("$argon2id$m=8,t=1,p=1$".to_owned() + TAIL, BadHash::Version),
        (
            "$argon2id$v=19$m=1,t=1,p=1$".to_owned() + TAIL,
            BadHash::Parameters,
        ),
        (
            "$argon2id$v=19$m=8,t=0,p=1$".to_owned() + TAIL,
            BadHash::Parameters,
        ),
        (
            "$argon2id$v=19$m=8,t=1,p=2$".to_owned() + TAIL,
            BadHash::Parameters,
        ),
        (
            "$argon2id$v=19$m=x,t=1,p=1$".to_owned() + TAIL,
            BadHash::Parameters,
        ),
        (
            "$argon2id$v=19$m=1048577,t=1,p=1$".to_owned() + TAIL,
            BadHash::Cost,
        ),
        (
            "$argon2id$v=19$m=4294967295,t=1,p=1$".to_owned() + TAIL,
            BadHash::Cost,
        ),
        (
            "$argon2id$v=19$m=8,t=101,p=1$".to_owned() + TAIL,
            BadHash::Cost,
        ),
    ] {
        let parsed = parse(&text).map(|_| ());
        assert_eq!(parsed, Err(expected), "{text}");
    }
    assert!(parse(&format!("$argon2id$v=19$m=1048576,t=100,p=1${TAIL}")).is_ok());
}
