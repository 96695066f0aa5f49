use std::io::Write;

use super::*;

fn file() -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"content").unwrap();
    Arc::new(file)
}

fn slices(holes: &[Bytes]) -> Vec<IoSlice<'_>> {
    holes.iter().map(|hole| IoSlice::new(hole)).collect()
}

#[test]
fn a_hole_is_told_from_bytes() {
    let hole = Holes::default().dig(&file(), 0..7).unwrap();

    assert!(Holes::is_one(&hole));
    assert!(Holes::is_one(&hole[3..]));
    assert!(!Holes::is_one(&[0; 7]));
}

#[test]
fn holes_of_one_file_are_filled_together() {
    let (holes, file, other) = (Holes::default(), file(), file());
    let dug = [
        holes.dig(&file, 10..110).unwrap(),
        holes.dig(&file, 110..120).unwrap(),
        holes.dig(&file, 500..501).unwrap(),
        holes.dig(&other, 501..502).unwrap(),
    ];
    // The first in two pieces, as it goes to hyper.
    let pieces = [
        dug[0].slice(..60),
        dug[0].slice(60..),
        dug[1].clone(),
        dug[2].clone(),
        dug[3].clone(),
    ];

    let (content, part) = holes.content(&slices(&pieces)).unwrap();
    assert!(Arc::ptr_eq(&content, &file));
    assert_eq!(part, 10..120);

    holes.filled(105);
    let rest = [pieces[2].slice(5..), pieces[3].clone()];
    assert_eq!(holes.content(&slices(&rest)).unwrap().1, 115..120);

    holes.filled(6);
    let (content, part) = holes.content(&slices(&pieces[4..])).unwrap();
    assert!(Arc::ptr_eq(&content, &other));
    assert_eq!(part, 501..502);
}

#[test]
fn bytes_after_a_hole_are_not_filled() {
    let holes = Holes::default();
    let hole = holes.dig(&file(), 0..7).unwrap();

    let both = [hole, Bytes::from_static(b"head of the next")];

    assert_eq!(holes.content(&slices(&both)).unwrap().1, 0..7);
}

#[test]
fn a_hole_that_is_out_of_its_turn_is_an_error() {
    let (holes, file) = (Holes::default(), file());
    let first = holes.dig(&file, 0..7).unwrap();
    let second = holes.dig(&file, 0..7).unwrap();

    assert!(holes.content(&slices(&[second])).is_err());
    assert!(holes.content(&slices(&[first.slice(1..)])).is_err());
    assert!(Holes::default().content(&slices(&[first])).is_err());
}

#[test]
fn no_more_holes_wait_than_there_is_ground_for() {
    let (holes, file) = (Holes::default(), file());
    for _ in 0..MOST {
        holes.dig(&file, 0..7).unwrap();
    }

    assert!(holes.dig(&file, 0..7).is_err());
    holes.filled(7);
    assert!(holes.dig(&file, 0..7).is_ok());
    assert!(holes.dig(&file, 0..LENGTH as u64 + 1).is_err());
}
