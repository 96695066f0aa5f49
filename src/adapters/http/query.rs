//! Query strings.

use percent_encoding::percent_decode_str;

use super::error::{Cause, HttpError};

/// The parameters of a query, decoded, in their order.
///
/// Only `%` escapes are decoded. A `+` stays a `+`: no value of this API may
/// have a blank in it, but media types have many a `+`, and people type them.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Takes the query apart.
    pub fn parse(query: Option<&str>) -> Result<Self, HttpError> {
        let pairs = query.unwrap_or_default().split('&');
        pairs
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(name)?, decode(value)?))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The same of a form, where a `+` is a blank.
    pub fn form(form: &str) -> Result<Self, HttpError> {
        Self::parse(Some(&form.replace('+', " ")))
    }

    /// The first value of the parameter.
    pub fn first(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|pair| pair.0 == name)?;
        Some(&pair.1)
    }

    /// Every value of the parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let wanted = move |pair: &&(String, String)| pair.0 == name;
        self.0.iter().filter(wanted).map(|pair| pair.1.as_str())
    }
}

fn decode(text: &str) -> Result<String, HttpError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Cause::Malformed("the query is not UTF-8".to_owned()).into()),
    }
}

#[cfg(test)]
mod tests;
