//! What of a source is code, and the words of it.
//!
//! This is no Rust parser. It knows as much as the rules need: comments, texts, characters, raw names.

/// An identifier, a `::`, or one other character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub line: usize,
}

/// The text with comments, texts and characters blanked, line by line as it was.
///
/// A text that is a path into our crate stays: attributes name code that way (`#[serde(with = "crate::…")]`).
pub fn code(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while let Some(next) = rest.chars().next() {
        let (taken, keep) = match next {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), None),
            '/' if rest.starts_with("/*") => (block_comment(rest), None),
            '"' => quoted(rest, 1, "\"", true),
            '\'' => (character(rest), None),
            _ if is_letter(next) => {
                let word = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
                let after = &rest[word..];
                let hashes = after.len() - after.trim_start_matches('#').len();
                if matches!(&rest[..word], "r" | "br" | "cr") && after[hashes..].starts_with('"') {
                    quoted(
                        rest,
                        word + hashes + 1,
                        &format!("\"{}", "#".repeat(hashes)),
                        false,
                    )
                } else {
                    (word, Some(&rest[..word]))
                }
            }
            _ => (next.len_utf8(), Some(&rest[..next.len_utf8()])),
        };
        if let Some(kept) = keep {
            code.push_str(kept);
        } else {
            code.push(' ');
            code.extend(rest[..taken].chars().filter(|c| *c == '\n'));
        }
        rest = &rest[taken..];
    }
    code
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut position = 0;
    while position < text.len() {
        let rest = &text[position..];
        if rest.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a text whose content begins at `start`, and the content where it is a path into our crate.
fn quoted<'t>(text: &'t str, start: usize, end: &str, escapes: bool) -> (usize, Option<&'t str>) {
    let mut position = start;
    while position < text.len() {
        let rest = &text[position..];
        if rest.starts_with(end) {
            let content = &text[start..position];
            let is_path = ["crate::", "self::", "super::"]
                .iter()
                .any(|root| content.starts_with(root))
                && content.chars().all(|c| is_letter(c) || c == ':');
            return (position + end.len(), is_path.then_some(content));
        }
        let step = rest.chars().take(if escapes && rest.starts_with('\\') {
            2
        } else {
            1
        });
        position += step.map(char::len_utf8).sum::<usize>();
    }
    (text.len(), None)
}

/// The length of a character, or 1 for the quote of a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => chars
            .find(|(_, c)| *c == '\'')
            .map_or(1, |(end, _)| end + 1),
        (Some(_), Some((end, '\''))) => end + 1,
        _ => 1,
    }
}

pub fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

pub fn words(code: &str) -> Vec<Word> {
    let mut words = Vec::new();
    for (line, text) in (1..).zip(code.split('\n')) {
        let mut rest = text.trim_start();
        while let Some(next) = rest.chars().next() {
            let end = match next {
                // `r#type` is the name `type`.
                'r' if rest.starts_with("r#") => {
                    rest = &rest[2..];
                    continue;
                }
                ':' if rest.starts_with("::") => 2,
                _ if is_letter(next) => rest.find(|c| !is_letter(c)).unwrap_or(rest.len()),
                _ => next.len_utf8(),
            };
            words.push(Word {
                text: rest[..end].to_owned(),
                line,
            });
            rest = rest[end..].trim_start();
        }
    }
    words
}
