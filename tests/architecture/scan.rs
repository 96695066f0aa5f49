//! The paths that a source names: without its test code, with its inline modules, each branch of a `use` tree by itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::code::{Word, code, is_letter, words};

/// A file, of which only production code is left.
#[derive(Debug)]
pub struct Source {
    path: String,
    module: Vec<String>,
    lines: usize,
    names: Vec<Name>,
    test_modules: Vec<Vec<String>>,
}

/// A path that code names, such as `crate::ports::Clock`; each leaf of a `use` tree is one.
#[derive(Debug)]
pub struct Name {
    /// The segments, as written.
    pub segments: Vec<String>,
    /// The line of its last segment.
    pub line: usize,
    /// The module in which it is written.
    module: Vec<String>,
}

impl Source {
    /// Reads a file; `path` is relative to the package and uses `/`.
    pub fn new(path: &str, text: &str) -> Self {
        let module = module_of(path);
        let mut test_modules = Vec::new();
        let words = without_tests(&words(&code(text)), &module, &mut test_modules);
        let names = names(&words, &module);
        Self {
            path: path.to_owned(),
            module,
            lines: text.lines().count(),
            names,
            test_modules,
        }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// `src/domain/blobs.rs` is `domain`, `blobs`; `lib` and `main` stand for themselves.
    pub fn module(&self) -> &[String] {
        &self.module
    }

    pub fn line_count(&self) -> usize {
        self.lines
    }

    pub fn names(&self) -> &[Name] {
        &self.names
    }
}

impl Name {
    /// As it is written, a tree's branch written out.
    pub fn text(&self) -> String {
        self.segments.join("::")
    }

    /// Whether it goes up more than one level.
    pub fn is_far_up(&self) -> bool {
        self.segments
            .iter()
            .filter(|segment| *segment == "super")
            .count()
            > 1
    }

    /// The path from the top of our crate, or nothing when it is about another crate or a local name.
    pub fn resolved(&self) -> Option<Vec<&str>> {
        let (first, rest) = self.segments.split_first()?;
        let inside: &[String] = match self.module.first().map(String::as_str) {
            Some("lib" | "main") => &self.module[1..],
            _ => &self.module,
        };
        let base = match first.as_str() {
            "crate" | "simple_registry" => &[],
            "self" => inside,
            "super" => inside.split_last().map_or(inside, |(_, above)| above),
            _ => return None,
        };
        Some(base.iter().chain(rest).map(String::as_str).collect())
    }
}

/// Every file below `src` that is no test, in the order of their paths.
pub fn production_sources(root: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let sources: Vec<Source> = files
        .iter()
        .map(|file| {
            let path = file
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .replace('\\', "/");
            Source::new(&path, &fs::read_to_string(file).unwrap())
        })
        .collect();

    let test_modules: BTreeSet<Vec<String>> = sources
        .iter()
        .flat_map(|source| source.test_modules.clone())
        .collect();
    let is_test = |source: &Source| {
        let module = source.module();
        module.iter().any(|name| name == "tests")
            || (1..=module.len()).any(|end| test_modules.contains(&module[..end]))
    };
    let mut production: Vec<Source> = sources
        .into_iter()
        .filter(|source| !is_test(source))
        .collect();
    production.sort_by(|one, other| one.path.cmp(&other.path));
    production
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn module_of(path: &str) -> Vec<String> {
    let inside = path
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    inside.split('/').map(str::to_owned).collect()
}

fn text(words: &[Word], position: usize) -> &str {
    words.get(position).map_or("", |word| &word.text)
}

fn starts_with(words: &[Word], position: usize, expected: &[&str]) -> bool {
    expected
        .iter()
        .enumerate()
        .all(|(offset, expected)| text(words, position + offset) == *expected)
}

/// Follows `mod name { … }`, so that `super` means the right thing inside.
struct Modules {
    file: Vec<String>,
    inline: Vec<(String, usize)>,
    depth: usize,
}

impl Modules {
    fn of(file: &[String]) -> Self {
        Self {
            file: file.to_vec(),
            inline: Vec::new(),
            depth: 0,
        }
    }

    fn pass(&mut self, words: &[Word], position: usize) {
        match text(words, position) {
            "{" => {
                if position >= 2 && text(words, position - 2) == "mod" {
                    self.inline
                        .push((text(words, position - 1).to_owned(), self.depth));
                }
                self.depth += 1;
            }
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                if self
                    .inline
                    .last()
                    .is_some_and(|(_, depth)| *depth == self.depth)
                {
                    self.inline.pop();
                }
            }
            _ => {}
        }
    }

    fn here(&self) -> Vec<String> {
        self.file
            .iter()
            .chain(self.inline.iter().map(|(name, _)| name))
            .cloned()
            .collect()
    }
}

/// Leaves out every item under `#[cfg(test)]`, and notes the files of the modules among them.
fn without_tests(
    words: &[Word],
    module: &[String],
    test_modules: &mut Vec<Vec<String>>,
) -> Vec<Word> {
    if starts_with(words, 0, &["#", "!", "[", "cfg", "(", "test", ")"]) {
        return Vec::new();
    }
    let mut modules = Modules::of(module);
    let mut kept = Vec::with_capacity(words.len());
    let mut position = 0;
    while position < words.len() {
        let is_test = starts_with(words, position, &["#", "[", "cfg", "(", "test", ")", "]"])
            || starts_with(
                words,
                position,
                &["#", "[", "cfg", "(", "all", "(", "test", ","],
            );
        if !is_test {
            modules.pass(words, position);
            kept.push(words[position].clone());
            position += 1;
            continue;
        }
        let end = item_end(words, position);
        if let Some(declared) = (position..end).find(|position| text(words, *position) == "mod") {
            let mut path = modules.here();
            if path
                .first()
                .is_some_and(|first| first == "lib" || first == "main")
            {
                path.remove(0);
            }
            path.push(text(words, declared + 1).to_owned());
            test_modules.push(path);
        }
        position = end;
    }
    kept
}

/// Where the item ends whose first attribute is at `position`.
fn item_end(words: &[Word], mut position: usize) -> usize {
    let mut depth = 0_usize;
    let mut in_attribute = false;
    while position < words.len() {
        match text(words, position) {
            "#" if depth == 0 => in_attribute = true,
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return position,
            closing @ (")" | "]" | "}") => {
                depth -= 1;
                if depth == 0 && closing == "}" {
                    return position + 1;
                }
                if depth == 0 && in_attribute {
                    in_attribute = false;
                }
            }
            ";" if depth == 0 => return position + 1,
            _ => {}
        }
        position += 1;
    }
    position
}

/// Every path that the words name.
fn names(words: &[Word], module: &[String]) -> Vec<Name> {
    let mut modules = Modules::of(module);
    let mut names = Vec::new();
    let mut position = 0;
    while position < words.len() {
        if begins_path(words, position) {
            let here = modules.here();
            let end = tree(words, position, &[], &here, &mut names);
            position = end.max(position + 1);
        } else {
            modules.pass(words, position);
            position += 1;
        }
    }
    names
}

fn begins_path(words: &[Word], position: usize) -> bool {
    let before = position
        .checked_sub(1)
        .map_or("", |before| text(words, before));
    let word = text(words, position);
    if before == "use" {
        return word == "{" || is_name(word);
    }
    let is_visibility = before == "in" && position >= 3 && text(words, position - 3) == "pub";
    if !is_name(word) || before == "." || is_visibility {
        return false;
    }
    if before == "::" {
        // `::tokio::spawn` begins here, `<T as Into<_>>::into` and `Vec::<u8>::new` do not.
        let above = position
            .checked_sub(2)
            .map_or("", |above| text(words, above));
        return !is_name(above) && above != ">";
    }
    let is_extern_crate =
        before == "crate" && position >= 2 && text(words, position - 2) == "extern";
    is_extern_crate || text(words, position + 1) == "::"
}

fn is_name(word: &str) -> bool {
    word.starts_with(is_letter)
}

/// Reads a path or a tree of them, and says where it ends.
fn tree(
    words: &[Word],
    position: usize,
    above: &[String],
    module: &[String],
    names: &mut Vec<Name>,
) -> usize {
    let word = text(words, position);
    if word == "{" {
        let mut position = position + 1;
        while position < words.len() && text(words, position) != "}" {
            let end = if text(words, position) == "," {
                position
            } else {
                tree(words, position, above, module, names)
            };
            position = end.max(position + 1);
        }
        return position + 1;
    }

    let mut segments = above.to_vec();
    segments.push(word.to_owned());
    let goes_on = text(words, position + 1) == "::";
    let next = text(words, position + 2);
    if goes_on && (is_name(next) || matches!(next, "{" | "*")) {
        return tree(words, position + 2, &segments, module, names);
    }
    names.push(Name {
        segments,
        line: words[position].line,
        module: module.to_vec(),
    });
    // The name that an alias gives is nobody else's path.
    if text(words, position + 1) == "as" {
        position + 3
    } else {
        position + 1
    }
}
