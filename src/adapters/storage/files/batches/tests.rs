use std::io::{Read, Seek};

use futures_util::stream;

use super::*;

/// The lengths of all batches, and of all pieces in them.
async fn cut(pieces: &[usize], start: u64, size: usize) -> (Vec<usize>, Vec<Vec<u8>>) {
    let pieces: Vec<io::Result<Bytes>> = pieces
        .iter()
        .enumerate()
        .map(|(i, length)| Ok(vec![u8::try_from(i).unwrap(); *length].into()))
        .collect();
    let mut stream: ByteStream = Box::pin(stream::iter(pieces));
    let mut batches = Batches::new(&mut stream, start, size);
    let (mut lengths, mut contents) = (Vec::new(), Vec::new());
    loop {
        let (batch, end) = batches.next().await;
        contents.push(batch.concat());
        lengths.push(batch.iter().map(Bytes::len).sum());
        if let Some(end) = end {
            end.unwrap();
            return (lengths, contents);
        }
    }
}

#[tokio::test]
async fn a_stream_is_cut_where_its_bytes_lie_at_a_multiple() {
    // One piece for many batches, many for one, an empty one, and a cut at the very end.
    assert_eq!(cut(&[25], 0, 10).await.0, [10, 10, 5]);
    assert_eq!(cut(&[3, 3, 0, 3, 3], 0, 10).await.0, [10, 2]);
    assert_eq!(cut(&[10, 10], 0, 10).await.0, [10, 10, 0]);
    assert_eq!(cut(&[], 0, 10).await.0, [0]);
    // From the middle on: to the next multiple first.
    assert_eq!(cut(&[25], 7, 10).await.0, [3, 10, 10, 2]);
    assert_eq!(cut(&[25], 20, 10).await.0, [10, 10, 5]);
}

#[tokio::test]
async fn nothing_is_lost_or_moved_by_a_cut() {
    let (_, contents) = cut(&[4, 9, 1, 6], 2, 5).await;
    let expected = [&[0; 4][..], &[1; 9], &[2; 1], &[3; 6]].concat();
    assert_eq!(contents.concat(), expected);
}

#[tokio::test]
async fn what_came_before_a_stream_broke_is_a_batch() {
    let broken = io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut stream: ByteStream =
        Box::pin(stream::iter([Ok(Bytes::from_static(b"abc")), Err(broken)]));
    let mut batches = Batches::new(&mut stream, 0, 10);

    let (batch, end) = batches.next().await;

    assert_eq!(batch.concat(), b"abc");
    assert!(end.unwrap().is_err());
}

/// More pieces than the system takes in one call.
#[test]
fn thousands_of_pieces_are_written_in_their_order() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"before").unwrap();
    let pieces: Vec<Bytes> = (0..5000).map(|i| i.to_string().into()).collect();

    write_all(&mut file, &pieces).unwrap();

    let mut written = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut written).unwrap();
    let expected: String = (0..5000).map(|i| i.to_string()).collect();
    assert_eq!(written, format!("before{expected}"));
}
