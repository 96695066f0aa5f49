use std::time::Instant;

use proptest::prelude::*;

use super::super::access_rule;
use super::*;
use crate::domain::model::{AccessRequest, Action, Caller};
use crate::ports::AccessRule;

fn refusal(rule: &str) -> String {
    match access_rule(rule) {
        Ok(_) => panic!("{rule} compiles"),
        Err(error) => error.to_string(),
    }
}

/// On a thread such as requests run on.
fn ask(rule: Arc<dyn AccessRule>) -> Result<bool, RuleError> {
    let request = AccessRequest::on(&"a".parse().unwrap(), Action::GetBlob);
    let asked = thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(move || rule.matches(&Caller::default(), &request));
    asked.unwrap().join().unwrap()
}

#[test]
fn what_is_no_cel_is_refused_with_its_column() {
    for (rule, message) in [
        ("", "column 1: "),
        ("1 +", "column 4: "),
        ("identity.id = 'x'", "column 13: "),
        ("true\n&&", "line 2, column 3: "),
        ("'unterminated", "column 1: "),
    ] {
        let refusal = refusal(rule);

        assert!(refusal.starts_with(message), "{rule}: {refusal}");
        assert_eq!(refusal.lines().count(), 1, "{rule}: {refusal}");
    }
}

#[test]
fn a_rule_has_a_length_and_a_depth() {
    let longest = format!("true{}", " ".repeat(LONGEST - 4));
    assert!(access_rule(&longest).is_ok());
    assert_eq!(refusal(&format!("{longest} ")), "longer than 4096 bytes");

    let many = vec!["request.namespace == 'a'"; 140].join(" || ");
    assert!(ask(access_rule(&many).unwrap()).unwrap());
    let sum = |terms: usize| format!("1{} == 1", "+0".repeat(terms));
    assert!(access_rule(&sum(190)).is_ok());
    assert_eq!(refusal(&sum(250)), check::TOO_DEEP);
}

/// No text may crash the registry or hold it up, whoever wrote it.
#[test]
fn hostile_rules_are_refused_in_time() {
    let repeated = |text: &str| text.repeat(LONGEST / text.len());
    let closed = |open: &str, middle: &str, close: &str| {
        let times = LONGEST / (open.len() + close.len()) - 1;
        format!("{}{middle}{}", open.repeat(times), close.repeat(times))
    };
    for rule in [
        closed("(", "true", ")"),
        closed("[", "true", "]"),
        closed("f(", "true", ")"),
        closed("[1].all(x, ", "true", ")"),
        closed("has(", "a.b", ")"),
        closed("{1:", "1", "}"),
        repeated("("),
        repeated("["),
        repeated("{1:"),
        repeated("a?a:"),
        repeated("a["),
        repeated("!("),
        repeated("'"),
        repeated("\\"),
        repeated("?"),
        repeated("\0"),
        repeated("💣"),
        repeated("in "),
        repeated("//"),
        format!("{}a", repeated("a.").trim_end_matches("a.")),
        format!("1{}", "+1".repeat(2000)),
        format!("a{}", "<a".repeat(2000)),
        format!("a{}", "==a".repeat(1300)),
        "1e999999999 > 1.0".to_owned(),
        format!("0x{} > 1", "f".repeat(4000)),
    ] {
        let started = Instant::now();

        refusal(&rule);

        assert!(started.elapsed().as_secs() < 5, "{rule}");
    }
}

/// What would take ever more time or memory when it is evaluated.
#[test]
fn rules_that_would_grow_or_loop_without_end_are_refused() {
    let doubled = format!("['x']{} == []", ".map(a, a + a)".repeat(60));
    for (rule, message) in [
        (doubled.as_str(), "`map` and `filter` can't be used"),
        (
            "[1].filter(x, x > 0) == [1]",
            "`map` and `filter` can't be used",
        ),
        (
            "[1, 2].exists(x, [1, 2].all(y, x == y))",
            "one `exists` or `all` can't stand inside another",
        ),
        (
            "[1].exists(request, request == 1)",
            "`request` is a variable; ",
        ),
        ("'a'.matches('(?:.{100}){100}')", "the pattern "),
        (
            "'a'.matches('(')",
            "the pattern \"(\" can't be used: error: unclosed group",
        ),
        (
            "'a'.matches(identity.id)",
            "the pattern of `matches` must be a text in quotes",
        ),
        ("matches('a', 'b')", "expected text.matches('pattern')"),
    ] {
        let refusal = refusal(rule);

        assert!(refusal.starts_with(message), "{rule}: {refusal}");
    }
}

/// A list of the number `one`.
fn list(elements: usize, one: &str) -> String {
    format!("[{}]", vec![one; elements].join(","))
}

/// Lists grow in a loop: it was a short way to make a decision take seconds.
#[test]
fn rules_that_take_too_long_are_refused() {
    let long = list(750, "2");
    let chain = "+[1]".repeat(180);
    let text = "x".repeat(1500);
    for rule in [
        format!("{}.exists(x, {long}{chain} == [])", list(800, "1")),
        format!("{}.exists(x, {long}{chain} == [])", list(500, "''")),
        format!("{}.exists(x, {long}{chain} == [])", list(500, "[]")),
        format!(
            "[{}].exists(x, ([]{}) == [])",
            list(750, "1"),
            "+x".repeat(180)
        ),
        format!(
            "{}.exists(x, (true ? {long} : []){chain} == [])",
            list(700, "1")
        ),
        format!("{}.exists(x, [{long}][0]{chain} == [])", list(700, "1")),
        format!(
            "{}.exists(x, '{text}'{} == x)",
            list(500, "''"),
            "+''".repeat(180)
        ),
        format!(
            "{}.exists(x, [identity.certificate.organizations][0]{chain} == [])",
            list(1400, "1")
        ),
    ] {
        assert_eq!(refusal(&rule), check::TOO_MUCH, "{rule}");
    }
}

/// The most work that the limits leave room for.
#[test]
fn the_worst_rules_that_are_allowed_come_to_an_end() {
    let text = "x".repeat(1800);
    let loops = format!("!{}.exists(x, x in {})", list(1000, "2"), list(1000, "1"));
    let chain = format!(
        "!{}.exists(x, {}{} == [])",
        list(100, "1"),
        list(100, "2"),
        "+[1]".repeat(90)
    );
    let grows = format!("['{text}'].exists(x, ''{} == x)", "+x".repeat(40));
    for rule in [loops, chain, grows] {
        let rule = access_rule(&rule).unwrap();
        let started = Instant::now();

        let answer = ask(rule);

        println!("{:?}: {answer:?}", started.elapsed());
        assert!(started.elapsed().as_secs() < 5);
        assert!(answer.is_ok());
    }
}

/// A rule, or nearly one: of every kind of part, and deeper than anybody writes.
fn nearly_a_rule() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("identity.username".to_owned()),
        Just("identity.certificate.organizations".to_owned()),
        Just("request.namespace".to_owned()),
        Just("request.tag_exists".to_owned()),
        Just("x".to_owned()),
        Just("null".to_owned()),
        "-?[0-9]{1,20}u?",
        "[0-9]{0,3}\\.[0-9]{1,3}(e[0-9]{1,3})?",
        "b?'([a-z]|\\\\[nu0-9x]){0,6}'",
    ];
    part.prop_recursive(6, 48, 4, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in",
        ]);
        let method = prop::sample::select(vec![
            "contains",
            "startsWith",
            "endsWith",
            "size",
            "string",
            "exists_one",
            "map",
            "min",
            "optMap",
        ]);
        let function = prop::sample::select(vec![
            "size", "string", "int", "uint", "double", "bool", "bytes", "has", "dyn", "type",
            "cel.bind",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, b, c)| format!("({a} {b} {c})")),
            (inner.clone(), method, inner.clone()).prop_map(|(a, b, c)| format!("{a}.{b}({c})")),
            (function, inner.clone()).prop_map(|(a, b)| format!("{a}({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}.exists(x, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}.all(x, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), "[a-z.*+?|(){}0-9\\[\\]^$]{0,12}")
                .prop_map(|(a, b)| format!("{a}.matches('{b}')")),
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|all| format!("[{}]", all.join(", "))),
            inner.clone().prop_map(|a| format!("!{a}")),
            inner.prop_map(|a| format!("-{a}")),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-z.()'+!&|\\[\\]{}?:, 0-9]{0,60}") {
        if let Err(InvalidRule(reason)) = access_rule(&text) {
            prop_assert!(!reason.contains("panic"), "{}", reason);
        }
    }

    #[test]
    fn no_rule_makes_it_panic_or_wait(rule in nearly_a_rule()) {
        let started = Instant::now();
        match access_rule(&rule) {
            Err(InvalidRule(reason)) => prop_assert!(!reason.contains("panic"), "{}", reason),
            Ok(compiled) => {
                let request = AccessRequest::on(&"a".parse().unwrap(), Action::GetBlob);
                if let Err(error) = compiled.matches(&Caller::default(), &request) {
                    prop_assert!(!error.to_string().contains("panic"), "{}", error);
                }
            }
        }
        prop_assert!(started.elapsed().as_secs() < 5);
    }
}
