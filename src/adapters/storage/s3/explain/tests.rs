use super::*;

/// What Garage 2.5 answers.
#[test]
fn one_code_for_three_mistakes_is_told_apart_by_its_message() {
    for (message, key) in [
        ("Forbidden: Invalid signature", "storage.s3.secret_key"),
        ("Forbidden: No such key: GK0", "storage.s3.access_key_id"),
        (
            "Forbidden: Operation is not allowed for this key.",
            "storage.s3.access_key_id",
        ),
    ] {
        let problem = Problem::of_answer("AccessDenied", message, "ListObjectsV2");

        assert_eq!(problem.key(), key, "{message}");
        let denied = matches!(problem, Problem::Denied { .. });
        assert_eq!(denied, message.contains("not allowed"), "{message}");
    }
}
