//! `Document`: a configuration as TOML, before anything is made of it; knows where each key stands.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use super::error::{Place, Problem};
use super::key_path::{KeyPath, Step};

/// The text and what TOML sees in it.
pub(super) struct Document<'t> {
    text: &'t str,
    root: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Reads TOML, or says where it stops being TOML.
    pub(super) fn parse(text: &'t str) -> Result<Self, Problem> {
        let root = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            // The parser names no key; of a duplicate, the place holds nothing else.
            let key = match (error.message(), text.get(span.clone())) {
                ("duplicate key", Some(key)) => KeyPath::of(&[key.trim_matches(['"', '\''])]),
                _ => KeyPath::default(),
            };
            Problem {
                place: Some(Place::of(text, span.start)),
                key,
                message: error.message().to_owned(),
            }
        })?;
        Ok(Self { text, root })
    }

    /// The tables, to be read.
    pub(super) fn root(&self) -> &Spanned<DeTable<'t>> {
        &self.root
    }

    /// Where a key stands, or else the nearest section above it.
    pub(super) fn place(&self, path: &KeyPath) -> Option<Place> {
        let mut span = None;
        let mut table = Some(self.root.get_ref());
        let mut list = None;
        for step in path.steps() {
            let value = match step {
                Step::Key(key) => {
                    let Some((key, value)) =
                        table.and_then(|table| table.get_key_value(key.as_str()))
                    else {
                        break;
                    };
                    span = Some(key.span());
                    value
                }
                Step::Index(index) => {
                    let Some(value) =
                        list.and_then(|list: &toml::de::DeArray<'t>| list.get(*index))
                    else {
                        break;
                    };
                    span = Some(value.span());
                    value
                }
            };
            table = value.get_ref().as_table();
            list = value.get_ref().as_array();
        }
        span.map(|span| self.place_of(&span))
    }

    /// Where a stretch of the text begins.
    pub(super) fn place_of(&self, span: &Range<usize>) -> Place {
        Place::of(self.text, span.start)
    }
}
