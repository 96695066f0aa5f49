//! Pages: listings in pieces.

/// Which part of a listing is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Only what sorts after this, in byte order. It need not exist.
    pub after: Option<T>,
    /// At most so many; `None` is all the rest.
    pub limit: Option<usize>,
}

impl<T> Page<T> {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self {
            after: None,
            limit: None,
        }
    }
}

/// One page of a listing, in byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T> {
    /// What is on the page.
    pub items: Vec<T>,
    /// Whether more follows after the last item.
    pub more: bool,
}

impl<T> Listing<T> {
    /// Nothing yet.
    #[must_use]
    pub fn none() -> Self {
        Self {
            items: Vec::new(),
            more: false,
        }
    }

    /// Puts the next item on the page; false where it is full, and there is
    /// more than it shows.
    pub fn add(&mut self, limit: Option<usize>, item: T) -> bool {
        self.more = limit.is_some_and(|limit| self.items.len() >= limit);
        if !self.more {
            self.items.push(item);
        }
        !self.more
    }
}

impl<T: Ord> Listing<T> {
    /// Cuts the page out of everything there is, in any order.
    #[must_use]
    pub fn cut(all: impl IntoIterator<Item = T>, page: &Page<T>) -> Self {
        let mut items: Vec<T> = all
            .into_iter()
            .filter(|item| page.after.as_ref().is_none_or(|after| item > after))
            .collect();
        items.sort_unstable();
        let more = page.limit.is_some_and(|limit| items.len() > limit);
        if let Some(limit) = page.limit {
            items.truncate(limit);
        }
        Self { items, more }
    }
}

#[cfg(test)]
mod tests;
