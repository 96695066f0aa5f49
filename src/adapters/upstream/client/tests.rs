use futures_util::stream::iter;
use proptest::prelude::*;

use super::*;

fn asked() -> Asked {
    Asked::new("r.example", "blobs/x of a".to_owned())
}

/// What comes of a body in these pieces.
fn read(pieces: &[Vec<u8>], skip: u64, left: u64) -> io::Result<Vec<u8>> {
    let pieces: Vec<_> = pieces
        .iter()
        .map(|it| Ok(Bytes::from(it.clone())))
        .collect();
    let stream = exactly(iter(pieces), skip, left, asked());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let read: Vec<Bytes> = runtime.block_on(stream.try_collect())?;
    Ok(read.concat())
}

proptest! {
    #[test]
    fn a_body_of_the_right_length_comes_whole(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..6),
        skip in 0..30_usize,
    ) {
        let whole = pieces.concat();
        let skip = skip.min(whole.len());
        let left = (whole.len() - skip) as u64;
        let skip64 = skip as u64;
        prop_assert_eq!(read(&pieces, skip64, left).unwrap(), &whole[skip..]);
        let short = read(&pieces, skip64, left + 1).unwrap_err();
        prop_assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
        if left > 0 {
            let long = read(&pieces, skip64, left - 1).unwrap_err();
            prop_assert_eq!(long.kind(), io::ErrorKind::InvalidData);
        }
    }
}

#[test]
fn only_a_whole_object_of_json_can_be_a_manifest() {
    for text in ["{}", " {\"a\": [1]}\n"] {
        assert!(is_object(text.as_bytes()), "{text}");
    }
    for text in ["", "[]", "{", "{} x", "<html>", "null", "\"{}\""] {
        assert!(!is_object(text.as_bytes()), "{text}");
    }
}
