use super::Secret;

#[test]
fn a_secret_does_not_show_itself() {
    let secret = Secret::new("hunter2".to_owned());

    assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "… Some(…)");
    assert_eq!(secret.expose(), "hunter2");
}
