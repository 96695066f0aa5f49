use std::collections::BTreeMap;

use super::*;
use crate::domain::model::{Algorithm, Hasher};

fn descriptor(number: usize, size: usize) -> Descriptor {
    let note = ("note".to_owned(), "x".repeat(size));
    Descriptor {
        media_type: MediaType::known(MediaType::OCI_MANIFEST),
        digest: Hasher::digest_of(Algorithm::Sha256, &number.to_be_bytes()),
        size: 1,
        artifact_type: None,
        annotations: Some(BTreeMap::from([note])),
        urls: None,
    }
}

fn page(count: usize, size: usize) -> ReferrersPage {
    ReferrersPage {
        items: (0..count).map(|number| descriptor(number, size)).collect(),
        next: None,
    }
}

#[test]
fn a_small_page_stays_whole() {
    let cut = as_far_as_it_fits(page(10, 100));

    assert_eq!((cut.items.len(), cut.next), (10, None));
}

#[test]
fn an_empty_page_stays_empty() {
    let cut = as_far_as_it_fits(page(0, 0));

    assert_eq!((cut.items.len(), cut.next), (0, None));
}

#[test]
fn a_large_page_goes_on_after_what_fits() {
    let cut = as_far_as_it_fits(page(10, MAX_DESCRIPTORS / 4));

    assert_eq!(cut.items.len(), 3);
    assert_eq!(cut.next.as_ref(), cut.items.last().map(|last| &last.digest));
}

#[test]
fn one_descriptor_always_fits() {
    let cut = as_far_as_it_fits(page(2, MAX_DESCRIPTORS + 1));

    assert_eq!(cut.items.len(), 1);
}
