use argh::ArgsInfo;

use super::{page, text};
use crate::app::cli::{Cli, NAME};

#[test]
fn the_page_has_every_command_and_every_option() {
    let cli = Cli::get_args_info();
    let page = page(NAME, "1.2.3", &cli);

    assert!(page.starts_with(".TH SIMPLE-REGISTRY 1 \"\" \"simple-registry 1.2.3\"\n"));
    let commands = cli.commands.iter().map(|it| &it.command);
    let below = commands.flat_map(|it| it.commands.iter().map(|it| &it.command).chain([it]));
    let mut seen = 0;
    for command in below.filter(|it| it.commands.is_empty()) {
        assert!(
            page.contains(&text(command.description)),
            "{}",
            command.name
        );
        for flag in command.flags {
            assert!(page.contains(&text(flag.long)), "{}", flag.long);
        }
        seen += 1;
    }
    assert!(seen >= 10);
}

#[test]
fn no_text_is_taken_for_a_command_of_man() {
    assert_eq!(text(".so /etc/passwd"), "\\&.so /etc/passwd");
    assert_eq!(text("a\n.so \\f --x"), "a .so \\ef \\-\\-x");
}
