//! Rules that are written to crash the program, to stop it, or to take its memory. `SIMPLE_REGISTRY_BIN` names another
//! build of it than the one beside the tests.

use std::env;
use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The longest rule that is read.
const LONGEST: usize = 4096;

/// A machine that is busy with other tests is slow.
const PATIENCE: Duration = Duration::from_secs(20);

#[expect(clippy::disallowed_methods, reason = "CI names the release build so")]
fn program() -> String {
    let named = env::var("SIMPLE_REGISTRY_BIN");
    named.unwrap_or_else(|_| env!("CARGO_BIN_EXE_simple-registry").to_owned())
}

/// Judges a request by this rule, in a process that has so much memory and no more.
fn judge(rule: &str) -> Output {
    let directory = TempDir::new().unwrap();
    // A text of JSON is one of TOML.
    let rule = serde_json::to_string(rule).unwrap();
    let config = format!(
        "[storage.fs]\nroot_dir = 'data'\n\n[repository.'*'.access_policy]\nrules = [\n  'false',\n  {rule},\n]\n"
    );
    fs::write(directory.path().join("config.toml"), config).unwrap();
    let repository = ["a"; 127].join("/");
    let reference = "v".repeat(128);
    Command::new("sh")
        .args(["-c", "ulimit -v 1500000; exec \"$0\" \"$@\"", &program()])
        .args(["policy", "test", "--action", "put-manifest"])
        .args(["--repository", &repository, "--reference", &reference])
        .args(["--certificate-o", "ops"])
        .current_dir(directory.path())
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

/// The text as often as there is room for it.
fn filled(text: &str) -> String {
    text.repeat(LONGEST / text.len())
}

/// `open`, as often as there is room for it and for as many of `close`.
fn nested(open: &str, middle: &str, close: &str) -> String {
    let times = (LONGEST - middle.len()) / (open.len() + close.len());
    format!("{}{middle}{}", open.repeat(times), close.repeat(times))
}

fn list(elements: usize, element: &str) -> String {
    format!("[{}]", vec![element; elements].join(","))
}

fn chain(operand: &str, operator: &str) -> String {
    let times = (LONGEST - operand.len()) / (operand.len() + operator.len());
    format!("{operand}{}", format!("{operator}{operand}").repeat(times))
}

/// Parts in parts.
fn deep() -> Vec<String> {
    let mut rules = Vec::new();
    for (open, middle, close) in [
        ("(", "true", ")"),
        ("[", "true", "]"),
        ("{1:", "1", "}"),
        ("!", "true", ""),
        ("-", "1", ""),
        ("a[", "1", "]"),
        ("size(", "'a'", ")"),
        ("string(", "'a'", ")"),
        ("has(", "a.b", ")"),
        ("true?", "true", ":false"),
        ("true?true:", "true", ""),
        ("[1].all(x,", "true", ")"),
        ("[1].exists(x,", "true", ")"),
        ("[1].map(x,", "x", ")"),
        ("[[1]].map(x,x.map(y,", "x", "))"),
        ("cel.bind(x,1,", "x", ")"),
        ("'a'.contains(", "'a'", ")"),
        ("A{a:", "1", "}"),
    ] {
        rules.push(nested(open, middle, close));
    }
    rules
}

/// Texts that end nowhere, and characters that mean nothing.
fn broken() -> Vec<String> {
    let mut rules = Vec::new();
    for text in [
        "(", "[", "{", "'", "\"", "'''", "r'", "b'", "\\", "\\u", "?", "a?a:", "!(", "in ", "//",
        "a.", ".", ",", "\0", "💣", "\u{202e}", "\u{feff}", "\u{0301}", "\t", "\n", "0x", "1e",
        "@", "`",
    ] {
        rules.push(filled(text));
    }
    for length in [LONGEST + 1, 10 << 20] {
        rules.push("x".repeat(length));
    }
    rules
}

fn chains() -> Vec<String> {
    let mut rules = Vec::new();
    for (operand, operator) in [
        ("1", "+"),
        ("1", "-"),
        ("1", "*"),
        ("1", "/"),
        ("1", "<"),
        ("1", "=="),
        ("1.0", "%"),
        ("true", "&&"),
        ("true", "||"),
        ("[1]", "+"),
        ("'xxxxxxxx'", "+"),
        ("a", "."),
        ("a", " in "),
        ("request.namespace", "+"),
        ("identity.id", " != null ? identity.id : "),
    ] {
        rules.push(chain(operand, operator));
    }
    rules.push(format!(
        "{} == ''",
        vec!["request.namespace"; 190].join("+")
    ));
    rules
}

/// Loops in loops, and lists that grow.
fn loops() -> Vec<String> {
    let org = "identity.certificate.organizations";
    let long = list(750, "2");
    let growing = "+[1]".repeat(180);
    vec![
        format!("['x']{} == []", ".map(a, a + a)".repeat(200)),
        format!("{org}{}", ".filter(a, a != '')".repeat(150)),
        format!("{}.exists(x, {long}{growing} == [])", list(800, "1")),
        format!(
            "{}.exists(x, (true ? {long} : [])+{long} == [])",
            list(500, "1")
        ),
        format!("{}.all(x, x in {})", list(1000, "1"), list(1000, "1")),
        format!("{}.exists(x, x in {})", list(1000, "2"), list(1000, "1")),
        format!(
            "{}.exists(x, [1].exists(y, [1].exists(z, x == y)))",
            list(1500, "1")
        ),
        format!("{}.exists(x, {org}.contains(string(x)))", list(1900, "1")),
        format!("{} == {}", list(1000, "1"), list(1000, "1")),
        format!("{}[1999] == 1", list(2000, "1")),
        format!("{org}[9223372036854775807] == 'a'"),
        format!("{org}[-1] == 'a'"),
    ]
}

fn patterns() -> Vec<String> {
    let mut rules = Vec::new();
    for pattern in [
        "(a*)*b",
        "(a|aa)+$",
        "(.*a){20}$",
        "((a{1,100}){1,100}){1,100}",
        "(?:x{0,60}){60}Z",
        "(?:a?){700}$",
        "[a-q][^u-z]{200}x",
        "(?i)\\\\w{40}",
        "\\\\p{L}{30}",
        "(((((((((((((((((((((((((((((a)))))))))))))))))))))))))))))",
        "(?P<a>b",
        "[[:alpha:]",
        "\\\\",
    ] {
        rules.push(format!("request.namespace.matches('{pattern}')"));
        rules.push(format!(
            "{}.exists(x, request.namespace.matches('{pattern}') && x == 2)",
            list(1500, "1")
        ));
    }
    rules.push(format!("'a'.matches('{}')", "(".repeat(4000)));
    rules.push(format!("'a'.matches('{}')", "a?".repeat(2000)));
    rules.push(format!("'a'.matches('{}')", "(?:a|b)*".repeat(500)));
    let many = "request.namespace.matches('.{90}b')";
    rules.push(vec![many; LONGEST / (many.len() + 4)].join(" || "));
    rules
}

/// Numbers at their ends, and characters that are none.
fn ends() -> Vec<String> {
    let mut rules = [
        "9223372036854775807 + 1 > 0",
        "-9223372036854775808 - 1 < 0",
        "-(-9223372036854775808) > 0",
        "-9223372036854775808 / -1 > 0",
        "-9223372036854775808 % -1 == 0",
        "9223372036854775808 > 0",
        "1 / 0 == 1",
        "1 % 0 == 1",
        "1u / 0u == 1u",
        "0u - 1u > 0u",
        "1e999999999 > 1.0",
        "int(1e300) > 0",
        "int(0.0 / 0.0) > 0",
        "uint(-1) > 0u",
        "int('9223372036854775808') > 0",
        "double('nan') == double('nan')",
        "'a'[0] == 'a'",
        "bytes('\\u00ff') == b'\\377'",
        "'\\ud800' == ''",
        "'\\U00110000' == ''",
        "size(1) == 1",
    ]
    .map(str::to_owned)
    .to_vec();
    rules.push(format!("0x{} > 1", "f".repeat(4000)));
    rules.push(format!("{} > 1", "9".repeat(4000)));
    rules
}

/// Issue 4, "Bad input": no expression may crash or hang the server. Each is refused, with its place and one line that
/// says why, or it is used, and answers soon.
#[test]
fn no_rule_crashes_the_program_or_stops_it() {
    let hostile = [deep(), broken(), chains(), loops(), patterns(), ends()];
    for rule in hostile.concat() {
        let started = Instant::now();

        let output = judge(&rule);

        let errors = String::from_utf8(output.stderr).unwrap();
        let what: String = rule.chars().take(200).collect();
        assert!(
            started.elapsed() < PATIENCE,
            "{:?}: {what}",
            started.elapsed()
        );
        assert!(!errors.contains("panic"), "{what}: {errors}");
        match output.status.code() {
            Some(0 | 2) => assert_eq!(errors, "", "{what}"),
            Some(64) => {
                let place = "config.toml:7:3: repository.'*'.access_policy.rules[1]: ";
                let place = place.replace('\'', "\"");
                assert!(errors.starts_with(&place), "{what}: {errors}");
                assert_eq!(errors.lines().count(), 1, "{what}: {errors}");
                assert!(errors.chars().count() < 2000, "{what}: {errors}");
            }
            _ => panic!("{what}: {:?}: {errors}", output.status),
        }
    }
}
