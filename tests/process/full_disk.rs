//! A disk that fills up: clear answers, nothing lost, and on it goes when there
//! is space again.

use crate::client::{Client, Failure, digest_of, image};
use crate::random::Random;
use crate::server::Place;

const MIB: u64 = 1 << 20;

/// Pushes one image of about a MiB; its path, and its digest.
fn push(client: &mut Client, random: &mut Random, tag: &str) -> Result<(String, String), Failure> {
    let layer = random.bytes(MIB);
    let layer_digest = client.push_blob("disk/app", &layer)?;
    let config = format!(r#"{{"n":{}}}"#, random.next());
    let config_digest = client.push_blob("disk/app", config.as_bytes())?;
    let manifest = image(
        (&config_digest, config.len()),
        &[(layer_digest, layer.len())],
    );
    client.put_manifest("disk/app", tag, &manifest)?;
    Ok((
        format!("/v2/disk/app/manifests/{tag}"),
        digest_of(&manifest),
    ))
}

#[test]
fn a_full_disk_is_a_clear_error_and_loses_nothing() {
    let place = Place::new("");
    let server = place.start_on_small_disk(24);
    let mut client = server.client();
    let mut random = Random::new(7);

    // A push in progress holds space that comes back when it is given up.
    let begun = client
        .expect(202, "POST", "/v2/disk/app/blobs/uploads/", &[], &[])
        .unwrap();
    let session = begun.header("location").unwrap().to_owned();
    client
        .expect(202, "PATCH", &session, &[], &random.bytes(8 * MIB))
        .unwrap();

    let mut acknowledged = Vec::new();
    let refusal = loop {
        match push(
            &mut client,
            &mut random,
            &format!("v{}", acknowledged.len()),
        ) {
            Ok(image) => acknowledged.push(image),
            Err(Failure::Answer(answer)) => break answer,
            Err(Failure::Connection(error)) => panic!("{error}"),
        }
        assert!(acknowledged.len() < 24, "the disk never fills up");
    };
    assert!(refusal.contains(": 503, not"), "{refusal}");
    assert!(refusal.contains("UNAVAILABLE"), "{refusal}");
    assert!(
        !refusal.contains("os error"),
        "internals stay inside: {refusal}"
    );
    assert!(acknowledged.len() >= 8, "{} images", acknowledged.len());
    // It stays full for whoever tries again, and nothing that was refused shows.
    assert!(push(&mut client, &mut random, "again").is_err());
    assert_eq!(
        client.get("/v2/disk/app/manifests/again").unwrap().status,
        404
    );

    let intact = |client: &mut Client| {
        for (path, digest) in &acknowledged {
            let answer = client.get(path).unwrap();
            assert_eq!((answer.status, &digest_of(&answer.body)), (200, digest));
            for blob in answer
                .text()
                .split('"')
                .filter(|it| it.starts_with("sha256:"))
            {
                let content = client.get(&format!("/v2/disk/app/blobs/{blob}")).unwrap();
                assert_eq!(
                    (content.status, digest_of(&content.body).as_str()),
                    (200, blob)
                );
            }
        }
    };
    intact(&mut client);

    client.expect(204, "DELETE", &session, &[], &[]).unwrap();

    push(&mut client, &mut random, "after").expect("there is space again");
    intact(&mut client);
}
