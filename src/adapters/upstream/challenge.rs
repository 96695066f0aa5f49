//! `Challenge`: how an upstream wants to be asked (`WWW-Authenticate`).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// What will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password.
    Basic,
    /// A token, which the realm gives.
    Bearer(Bearer),
}

/// A token that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bearer {
    /// The URL that gives it.
    pub realm: String,
    /// For which service.
    pub service: String,
    /// To do what.
    pub scope: String,
}

/// A challenge, and what the upstream says of the token that it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenged {
    /// What will do.
    pub challenge: Challenge,
    /// Whether the token was good, but not for this.
    pub insufficient_scope: bool,
}

/// A scheme with its parameters, as they were sent.
struct Sent {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Sent {
    fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        parameters
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// The challenge that can be met, a token rather than a password; `None` where there is neither.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenged> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    let sent: Vec<Sent> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(parse)
        .collect();
    let bearer = sent.iter().find_map(|sent| {
        let is_bearer = sent.scheme.eq_ignore_ascii_case("bearer");
        let realm = sent.parameter("realm").filter(|_| is_bearer)?;
        let text = |name| sent.parameter(name).unwrap_or_default().to_owned();
        Some(Challenged {
            challenge: Challenge::Bearer(Bearer {
                realm: realm.to_owned(),
                service: text("service"),
                scope: text("scope"),
            }),
            insufficient_scope: text("error") == "insufficient_scope",
        })
    });
    let is_basic = |sent: &Sent| sent.scheme.eq_ignore_ascii_case("basic");
    let basic = || {
        sent.iter().any(is_basic).then_some(Challenged {
            challenge: Challenge::Basic,
            insufficient_scope: false,
        })
    };
    bearer.or_else(basic)
}

/// All challenges of one field (RFC 9110, section 11.6.1). A word that `=` follows is a parameter, any other begins a
/// challenge; what is neither is passed over.
fn parse(field: &str) -> Vec<Sent> {
    let mut all: Vec<Sent> = Vec::new();
    let mut rest = field.trim_start_matches(is_between);
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(|c| !is_of_token(c)).unwrap_or(rest.len()));
        let after = after.trim_start_matches([' ', '\t']);
        rest = match (word, after.strip_prefix('=')) {
            ("", _) => skip(rest),
            (name, Some(value)) => {
                let (value, after) = value_of(value.trim_start_matches([' ', '\t']));
                if let Some(sent) = all.last_mut() {
                    sent.parameters.push((name.to_owned(), value));
                }
                after
            }
            (scheme, None) => {
                all.push(Sent {
                    scheme: scheme.to_owned(),
                    parameters: Vec::new(),
                });
                after
            }
        };
        rest = rest.trim_start_matches(is_between);
    }
    all
}

fn is_between(c: char) -> bool {
    matches!(c, ' ' | '\t' | ',')
}

fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// What follows the next comma.
fn skip(text: &str) -> &str {
    text.split_once(',').map_or("", |(_, rest)| rest)
}

/// A token or a quoted text, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c| !is_of_token(c)).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => break,
            '\\' => value.extend(characters.next()),
            c => value.push(c),
        }
    }
    (value, characters.as_str())
}

#[cfg(test)]
mod tests;
