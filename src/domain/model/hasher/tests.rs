use proptest::prelude::*;

use super::*;

#[test]
fn it_computes_the_published_digests() {
    let abc = |algorithm| Hasher::digest_of(algorithm, b"abc").to_string();

    assert_eq!(
        abc(Algorithm::Sha256),
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(
        abc(Algorithm::Sha512),
        "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
         2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    );
}

#[test]
fn a_state_of_another_algorithm_or_of_nonsense_is_not_resumed() {
    let state = Hasher::new(Algorithm::Sha256).suspend();

    assert!(Hasher::resume(Algorithm::Sha512, 0, &state).is_none());
    assert!(Hasher::resume(Algorithm::Sha256, 0, &[]).is_none());
    assert!(Hasher::resume(Algorithm::Sha256, 0, &[0xff; 104]).is_none());
}

proptest! {
    #[test]
    fn putting_the_work_down_changes_nothing(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        cut in 0_usize..2000,
        wide in any::<bool>(),
    ) {
        let algorithm = if wide { Algorithm::Sha512 } else { Algorithm::Sha256 };
        let (before, after) = bytes.split_at(cut.min(bytes.len()));
        let mut hasher = Hasher::new(algorithm);
        hasher.update(before);

        let mut resumed = Hasher::resume(algorithm, hasher.hashed(), &hasher.suspend()).unwrap();
        resumed.update(after);

        prop_assert_eq!(resumed.digest(), Hasher::digest_of(algorithm, &bytes));
        prop_assert_eq!(resumed.hashed(), bytes.len() as u64);
    }
}
