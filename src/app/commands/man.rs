//! The manual page: the definition of the command line, in the language of `man`.

use std::fmt::Write as _;

use argh_shared::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality, PositionalInfo};

/// What the definition does not say.
const REST: &str = "\
.SH EXIT STATUS
.TP
.B 0
The command did its work.
.TP
.B 1
It failed.
.TP
.B 2
The answer is no: see the commands.
.TP
.B 64
The command line or the configuration makes no sense.
.SH SIGNALS
SIGTERM and SIGINT let running requests finish; a second one does not.
SIGHUP reads the configuration again.
.SH ENVIRONMENT
.TP
.B RUST_LOG
What is logged;
.B info
by default.
.TP
.B LISTEN_FDS, NOTIFY_SOCKET
A socket that a service manager has opened, and where it is told that the server serves.
.SH FILES
.TP
.I config.toml
The configuration, where none is named.
";

/// The page of a program.
pub(super) fn page(name: &str, version: &str, cli: &CommandInfoWithArgs<'_>) -> String {
    let mut page = format!(".TH {} 1 \"\" \"{name} {version}\"\n", name.to_uppercase());
    let about = text(cli.description);
    let _ = writeln!(page, ".SH NAME\n{} \\- {about}\n.SH SYNOPSIS", text(name));
    synopsis(&mut page, name, cli);
    page.push_str(".SH OPTIONS\n");
    arguments(&mut page, cli);
    page.push_str(".SH COMMANDS\n");
    for command in &cli.commands {
        section(&mut page, "", &command.command);
    }
    page.push_str(REST);
    page
}

/// A command, and those below it.
fn section(page: &mut String, above: &str, command: &CommandInfoWithArgs<'_>) {
    let name = format!("{above}{}", command.name);
    if command.commands.is_empty() {
        let _ = writeln!(page, ".SS {}", text(&name));
        synopsis(page, &name, command);
        let _ = writeln!(page, ".PP\n{}.", text(command.description));
        for note in command.notes {
            let _ = writeln!(page, "{}", text(note));
        }
        arguments(page, command);
    }
    for below in &command.commands {
        section(page, &format!("{name} "), &below.command);
    }
}

fn synopsis(page: &mut String, name: &str, command: &CommandInfoWithArgs<'_>) {
    let _ = write!(page, "\\fB{}\\fR", text(name));
    for flag in command.flags {
        let _ = write!(page, " {}", optional(&flag_in_use(flag), &flag.optionality));
    }
    for PositionalInfo {
        name, optionality, ..
    } in command.positionals
    {
        let name = format!("\\fI{}\\fR", text(name));
        let _ = write!(page, " {}", optional(&name, optionality));
    }
    if !command.commands.is_empty() {
        page.push_str(" \\fIcommand\\fR [\\fIarguments\\fR]");
    }
    page.push('\n');
}

fn arguments(page: &mut String, command: &CommandInfoWithArgs<'_>) {
    let flags = command.flags.iter();
    let flags = flags.map(|it| (flag_in_use(it), it.description));
    let positionals = command.positionals.iter();
    let positionals = positionals.map(|it| (format!("\\fI{}\\fR", text(it.name)), it.description));
    for (name, description) in positionals.chain(flags) {
        let _ = writeln!(page, ".TP\n{name}\n{}", text(description));
    }
}

fn flag_in_use(flag: &FlagInfo<'_>) -> String {
    let short = flag.short.map(|short| format!("\\fB\\-{short}\\fR, "));
    let name = format!("{}\\fB{}\\fR", short.unwrap_or_default(), text(flag.long));
    match &flag.kind {
        FlagInfoKind::Switch => name,
        FlagInfoKind::Option { arg_name } => format!("{name} \\fI{}\\fR", text(arg_name)),
    }
}

fn optional(name: &str, optionality: &Optionality) -> String {
    match optionality {
        Optionality::Required => name.to_owned(),
        Optionality::Optional => format!("[{name}]"),
        Optionality::Repeating | Optionality::Greedy => format!("[{name}]..."),
    }
}

/// Text that means nothing but itself, in one line.
fn text(plain: &str) -> String {
    let plain = plain.replace('\\', "\\e").replace('-', "\\-");
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    // A line that begins with one of these is a command.
    if line.starts_with(['.', '\'']) {
        format!("\\&{line}")
    } else {
        line
    }
}

#[cfg(test)]
mod tests;
