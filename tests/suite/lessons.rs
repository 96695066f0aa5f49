//! `docs/lessons.md`: every test that it names exists.

use std::fs;
use std::path::Path;

const TABLE: &str = include_str!("../../docs/lessons.md");

#[test]
fn every_test_that_the_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    read_all(&root.join("src"), &mut sources);
    read_all(&root.join("tests"), &mut sources);
    let is_name = |text: &&str| text.contains('_') && !text.contains(' ');

    let names: Vec<&str> = TABLE
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(is_name)
        .collect();

    assert!(names.len() > 60, "the table is read");
    for name in names {
        assert!(sources.contains(&format!("fn {name}(")), "{name}");
    }
}

fn read_all(dir: &Path, sources: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, sources);
        } else if path.extension().is_some_and(|it| it == "rs") {
            sources.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}
