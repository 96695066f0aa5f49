use super::*;

const DAY: i64 = 86_400;
const NOW_AT: i64 = 1000 * DAY;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn image(tag: Option<&str>) -> Image {
    Image {
        tag: tag.map(|tag| tag.parse().unwrap()),
        pushed_at: at(NOW_AT - 10 * DAY),
        last_pulled_at: Some(at(NOW_AT - DAY)),
    }
}

fn never_pulled() -> Image {
    Image {
        last_pulled_at: None,
        ..image(Some("v1"))
    }
}

fn around() -> Surroundings {
    let tags = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    Surroundings {
        now: at(NOW_AT),
        last_pushed: tags(&["v3", "v2", "v1"]),
        last_pulled: tags(&["v1", "v3"]),
    }
}

fn ask(rule: &str, image: Image) -> Result<bool, RuleError> {
    let rule = retention_rule(rule).unwrap_or_else(|error| panic!("{rule}: {error}"));
    let mut answers = rule.judge(&[image], &around());
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

fn refusal(rule: &str) -> String {
    match retention_rule(rule) {
        Ok(_) => panic!("{rule} compiles"),
        Err(error) => error.to_string(),
    }
}

/// seed.md, "Retention policies CEL rules", and semantics.md's additions.
#[test]
fn every_variable_and_function_says_what_it_is_documented_to_say() {
    for (rule, answer) in [
        ("image.tag == 'v1'", true),
        ("image.tag != \"latest\"", true),
        ("image.pushed_at == now() - days(10)", true),
        ("image.pushed_at < now() - days(15)", false),
        ("image.last_pulled_at > now() - hours(25)", true),
        ("image.last_pulled_at > now() - minutes(60 * 24)", false),
        (
            "image.last_pulled_at != null && image.last_pulled_at < now()",
            true,
        ),
        ("top(image.tag, last_pulled, 1)", true),
        ("top(image.tag, last_pushed, 2)", false),
        ("top(image.tag, last_pushed, 3)", true),
        ("top_pushed(3) && !top_pushed(2) && top_pulled(1)", true),
        ("top('v3', last_pushed, 1)", true),
        (
            "last_pushed == ['v3', 'v2', 'v1'] && size(last_pulled) == 2",
            true,
        ),
        (
            "image.tag in last_pulled && !last_pulled.contains('v2')",
            true,
        ),
        ("last_pushed.exists(tag, tag.startsWith('v3'))", true),
        ("image.tag.matches('^v[0-9]+$')", true),
        (
            "days(2) == 172800 && hours(1) == 3600 && minutes(1) == 60",
            true,
        ),
        (
            "top(image.tag, last_pushed, 0) || top(image.tag, last_pushed, -1)",
            false,
        ),
    ] {
        assert_eq!(ask(rule, image(Some("v1"))).unwrap(), answer, "{rule}");
    }
}

#[test]
fn an_image_without_a_tag_is_among_nothing() {
    for (rule, answer) in [
        ("image.tag == null", true),
        ("image.tag != 'latest'", true),
        ("top(image.tag, last_pushed, 1000)", false),
        ("top_pushed(1000) || top_pulled(1000)", false),
        ("image.tag in last_pushed", false),
    ] {
        assert_eq!(ask(rule, image(None)).unwrap(), answer, "{rule}");
    }
}

#[test]
fn an_order_with_null_and_a_value_that_is_no_boolean_are_no_answers() {
    for rule in [
        "image.last_pulled_at > now() - days(15)",
        "image.last_pulled_at",
        "image.tag",
        "now()",
        "days(9223372036854775807) > 0",
        "last_pushed[17] == 'v1'",
    ] {
        assert!(ask(rule, never_pulled()).is_err(), "{rule}");
    }
    let guarded = "image.last_pulled_at != null && image.last_pulled_at > now() - days(15)";
    assert!(!ask(guarded, never_pulled()).unwrap());
}

#[test]
fn each_image_has_its_own_answer() {
    let rule = retention_rule("image.tag == 'v2' || image.last_pulled_at > 0").unwrap();

    let answers = rule.judge(
        &[image(Some("v1")), never_pulled(), image(Some("v2"))],
        &around(),
    );

    assert!(matches!(answers.as_slice(), [Ok(true), Err(_), Ok(true)]));
    assert!(rule.judge(&[], &around()).is_empty());
}

#[test]
fn what_can_not_be_meant_is_refused_with_what_can() {
    for (rule, message) in [
        (
            "image.tags == 'v1'",
            "unknown variable `image.tags`; did you mean `image.tag`?",
        ),
        (
            "identity.username == 'a'",
            "unknown variable `identity.username`",
        ),
        ("image.pushed_at > now - days(1)", "unknown variable `now`"),
        ("image.pushed_at > now(1)", "expected now()"),
        ("image.pushed_at > now() - days()", "expected days(number)"),
        (
            "image.pushed_at > now() - days('1')",
            "expected a whole number, as in days(30)",
        ),
        (
            "image.pushed_at > now() - days(0.5)",
            "expected a whole number, as in days(30)",
        ),
        ("image.pushed_at > 3.days()", "expected days(number)"),
        (
            "top(last_pushed, 10)",
            "expected top(image.tag, last_pushed, number)",
        ),
        (
            "image.tag.top(last_pushed, 10)",
            "expected top(image.tag, last_pushed, number)",
        ),
        ("top_pushed()", "expected top_pushed(number)"),
        (
            "top_pushd(3)",
            "unknown function `top_pushd`; did you mean `top_pushed`?",
        ),
        ("weeks(2) > 0", "unknown function `weeks`"),
    ] {
        let refusal = refusal(rule);
        assert!(refusal.contains(message), "{rule}: {refusal}");
    }
}

#[test]
fn a_rule_that_asks_for_nothing_is_known_before_it_is_asked() {
    for (rule, answer) in [
        ("true", Some(true)),
        ("1 > 2", Some(false)),
        ("days(1) > days(2)", Some(false)),
        ("'a' == 1", Some(false)),
        ("1", None),
        ("image.tag == 'latest'", None),
        ("now() > 0", None),
        ("top('v1', last_pushed, 3)", None),
    ] {
        let rule = retention_rule(rule).unwrap();
        assert_eq!(constant(&*rule), answer, "{}", rule.text());
    }
}

/// A repository with many tags costs what its tags do, not their square.
#[test]
fn the_lists_are_lent_and_not_copied() {
    let tags: Vec<Tag> = (0..20_000)
        .map(|n| format!("v{n}").parse().unwrap())
        .collect();
    let images: Vec<Image> = tags.iter().map(|tag| image(Some(tag.as_str()))).collect();
    let around = Surroundings {
        last_pushed: tags,
        ..around()
    };
    let rule = retention_rule("top(image.tag, last_pushed, 10)").unwrap();

    let began = std::time::Instant::now();
    let answers = rule.judge(&images, &around);

    assert_eq!(
        answers
            .into_iter()
            .filter(|it| matches!(it, Ok(true)))
            .count(),
        10
    );
    // Copies would take minutes.
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
}
