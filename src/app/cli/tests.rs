use std::ffi::OsString;
use std::path::PathBuf;

use super::{Cli, Command, Scrub, Server, Stop};

fn parse(arguments: &[&str]) -> Result<Cli, Stop> {
    Cli::parse(["program"].iter().chain(arguments).map(OsString::from))
}

#[test]
fn the_configuration_comes_before_the_command() {
    for flag in ["-c", "--config"] {
        let cli = parse(&[flag, "/etc/registry.toml", "server"]).unwrap();

        assert_eq!(
            cli,
            Cli {
                config: Some(PathBuf::from("/etc/registry.toml")),
                command: Command::Server(Server {})
            }
        );
    }
}

#[test]
fn no_configuration_need_be_named() {
    assert_eq!(
        parse(&["scrub"]),
        Ok(Cli {
            config: None,
            command: Command::Scrub(Scrub::default())
        })
    );
}

#[test]
fn help_has_two_names() {
    assert!(matches!(parse(&["--help"]), Err(Stop::Help(_))));
    assert_eq!(parse(&["--help"]), parse(&["help"]));
}

#[test]
fn arguments_that_make_no_sense_are_explained() {
    for arguments in [
        &[][..],
        &["serve"],
        &["-c"],
        &["--confg", "x", "server"],
        &["server", "extra"],
    ] {
        match parse(arguments) {
            Err(Stop::Usage(message)) => {
                assert!(message.ends_with("Run simple-registry --help for more information."));
            }
            other => panic!("{arguments:?}: {other:?}"),
        }
    }
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;

    let arguments = [OsString::from("program"), OsString::from_vec(vec![0xff])];

    assert!(matches!(Cli::parse(arguments), Err(Stop::Usage(_))));
}
