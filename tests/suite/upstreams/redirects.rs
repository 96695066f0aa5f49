//! Where an upstream may send us, and what we show there.

use super::{PATIENCE, config, digest, image, in_full, latest, open, read, tokens};
use crate::support::{Asked, Reply, Script, digest_of, random};
use simple_registry::adapters::upstream;
use simple_registry::ports::UpstreamError;

const CREDENTIALS: &str = "username = 'bob'\npassword = 'hush'";

/// Asks for credentials, and then sends elsewhere.
fn sends_to(location: &str) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let location = location.to_owned();
    move |asked| match asked.authorization() {
        None => Reply::new("401 Unauthorized", &[("WWW-Authenticate", "Basic")], ""),
        Some(_) => Reply::redirect(&location),
    }
}

/// lessons.md, security 26
#[tokio::test]
async fn a_redirect_takes_no_credentials_to_another_host() {
    let content = random(1, 5000);
    let serving = content.clone();
    let store = Script::start(move |_| Reply::ok(&[], &serving)).await;
    let location = format!("http://{}/signed?key=value", store.address);
    let origin = Script::start(sends_to(&location)).await;
    let upstream = open(
        &format!("http://localhost:{}", origin.address.port()),
        CREDENTIALS,
    );

    let blob = upstream
        .open_blob(&image(), &digest(&digest_of(&content)), 0)
        .await;

    assert_eq!(read(blob.unwrap().unwrap()).await.unwrap(), content);
    let basic = Some("Basic Ym9iOmh1c2g=");
    assert_eq!(origin.asked()[1].authorization(), basic);
    let seen = store.asked();
    assert_eq!(seen[0].path, "/signed?key=value");
    for asked in seen {
        assert_eq!(asked.authorization(), None, "{asked:?}");
        assert!(!format!("{asked:?}").contains("hush"), "{asked:?}");
        assert_eq!(asked.header("referer"), None);
    }
}

/// Another port is another host: somebody else may listen there.
#[tokio::test]
async fn what_was_dropped_does_not_come_back() {
    let back = Script::start(|_| Reply::status("404 Not Found")).await;
    let away = Script::start({
        let back = format!("http://{}/back", back.address);
        move |_| Reply::redirect(&back)
    });
    let away = away.await;
    let origin = Script::start(sends_to(&format!("http://{}/x", away.address))).await;
    let upstream = open(&format!("http://{}", origin.address), CREDENTIALS);

    upstream
        .stat_blob(&image(), &digest(&digest_of(b"")))
        .await
        .unwrap();

    assert_eq!(away.asked()[0].authorization(), None);
    assert_eq!(back.asked()[0].authorization(), None);
}

#[tokio::test]
async fn a_redirect_on_the_same_host_keeps_credentials_and_range() {
    let content = random(2, 3000);
    let digest = digest(&digest_of(&content));
    let serving = content.clone();
    let origin = Script::start(move |asked| {
        match (
            asked.authorization(),
            asked.path.as_str(),
            asked.header("range"),
        ) {
            (None, ..) => Reply::new("401 Unauthorized", &[("WWW-Authenticate", "Basic")], ""),
            (_, "/moved", Some("bytes=1000-")) => Reply::new(
                "206 Partial Content",
                &[("Content-Range", "bytes 1000-2999/3000")],
                &serving[1000..],
            ),
            (_, "/moved", _) => Reply::status("400 Bad Request"),
            _ => Reply::redirect("/moved"),
        }
    });
    let origin = origin.await;
    let upstream = open(&format!("http://{}", origin.address), CREDENTIALS);

    let blob = upstream
        .open_blob(&image(), &digest, 1000)
        .await
        .unwrap()
        .unwrap();

    assert_eq!(blob.size, 3000);
    assert_eq!(read(blob).await.unwrap(), content[1000..]);
}

#[tokio::test]
async fn no_more_redirects_are_followed_than_configured() {
    let origin = Script::start(|asked| Reply::redirect(&format!("{}x", asked.path))).await;
    let url = format!("http://{}", origin.address);
    for (max, more) in [(5, ""), (2, "max_redirect = 2"), (0, "max_redirect = 0")] {
        let before = origin.asked().len();

        let error = open(&url, more)
            .get_manifest(&image(), &latest())
            .await
            .unwrap_err();

        assert!(matches!(error, UpstreamError::Invalid { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("it leads on after {max} redirects (max_redirect)")),
            "{text}"
        );
        assert_eq!(origin.asked().len() - before, max + 1);
    }
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_refused() {
    for (location, why) in [
        ("http://", "it leads nowhere"),
        ("ftp://127.0.0.1/x", "it leads out of TLS"),
        ("file:///etc/passwd", "it leads out of TLS"),
        (
            "http://bob:hush@127.0.0.1/x",
            "it leads to a URL with a password",
        ),
    ] {
        let origin = Script::start(move |_| Reply::redirect(location)).await;
        let upstream = open(&format!("http://{}", origin.address), "");

        let error = upstream
            .get_manifest(&image(), &latest())
            .await
            .unwrap_err();

        let text = in_full(&error);
        assert!(text.contains(why), "{text}");
        assert!(!text.contains("hush"), "{text}");
    }
}

/// Else whoever is behind a redirect could have our token fetched for itself.
#[tokio::test]
async fn nobody_behind_a_redirect_is_shown_anything_for_a_challenge() {
    let thief = Script::start(|asked| {
        let host = asked.header("host").unwrap();
        let bearer = format!("Bearer realm=\"http://{host}/token\"");
        Reply::new(
            "401 Unauthorized",
            &[("WWW-Authenticate", &bearer), ("WWW-Authenticate", "Basic")],
            "",
        )
    });
    let thief = thief.await;
    let location = format!("http://{}/x", thief.address);
    let origin = Script::start(move |_| Reply::redirect(&location)).await;
    let upstream = open(&format!("http://{}", origin.address), CREDENTIALS);

    let error = upstream
        .get_manifest(&image(), &latest())
        .await
        .unwrap_err();

    // It says nothing of our credentials.
    assert!(
        matches!(error, UpstreamError::Unavailable { .. }),
        "{error:?}"
    );
    assert!(
        in_full(&error).contains("the answer from 127.0.0.1 is 401"),
        "{}",
        in_full(&error)
    );
    assert_eq!(thief.asked().len(), 1);
    assert_eq!(thief.asked()[0].authorization(), None);
}

/// lessons.md, security 24. The upstream's own name is not one of this machine's, so
/// what it leads to is not asked; its address comes from /etc/hosts.
#[tokio::test]
async fn an_upstream_elsewhere_leads_to_nothing_on_this_machine() {
    let name = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let name = name.lines().find_map(|line| {
        let name = line
            .strip_prefix("127.0.0.1")?
            .split_ascii_whitespace()
            .last()?;
        (name != "localhost").then(|| name.to_owned())
    });
    let Some(name) = name else {
        return; // There is none here; `nobody_leads_from_outside_to_this_machine_or_its_link` needs none.
    };
    let inside = Script::start(|_| Reply::ok(&[], "the metadata")).await;
    let location = format!("http://{}/latest/meta-data", inside.address);
    let origin = Script::start(move |_| Reply::redirect(&location)).await;
    let config = config(&format!("http://{name}:{}", origin.address.port()), "");
    let upstream = upstream::open("ours", &config, &tokens(), PATIENCE).unwrap();

    let error = upstream
        .open_blob(&image(), &digest(&digest_of(b"x")), 0)
        .await;

    let text = in_full(&error.err().unwrap());
    assert!(
        text.contains("which is on this machine or its link"),
        "{text}"
    );
    assert!(inside.asked().is_empty());
}
