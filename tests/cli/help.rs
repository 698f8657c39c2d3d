//! Every command explains itself.

use crate::scene::Scene;

#[test]
fn every_command_has_help_that_names_the_essentials() {
    let scene = Scene::bare();
    for (command, essentials) in [
        ("", &["sealpost demo", "sealpost serve", "mailbox", "receive"][..]),
        ("demo", &["--file", "--store", "--json"]),
        ("serve", &["--config", "--store", "--listen", "--ready-file", "SEALPOST_"]),
        ("check-config", &["--config", "--store"]),
        ("check-relay", &["<URL>", "--connect-to", "--ca", "--voucher", "--timeout", "--json"]),
        ("inspect", &["<ADDRESS>", "--store", "--entries", "--config"]),
        ("voucher keygen", &["--key", "admission.operator_keys"]),
        ("voucher issue", &["--relay-name", "--count", "--hours"]),
        ("mailbox create", &["--voucher", "--relay", "--ca", "--profile"]),
        ("mailbox show", &["--json", "--profile"]),
        ("mailbox delete", &["--yes"]),
        ("invite", &["--new-key", "--expires", "--link"]),
        ("contact add", &["<NAME>", "<LINK|ADDRESS>"]),
        ("contact list", &["--json"]),
        ("contact remove", &["<NAME>"]),
        ("send", &["<TO>", "--file", "--suite", "--urgent", "--ephemeral", "--count"]),
        ("receive", &["--follow", "--save", "--count", "--discard"]),
        ("completions", &["<SHELL>", "bash"]),
    ] {
        let help = scene.run(command.split_whitespace().chain(["--help"])).succeeded();
        for words in essentials {
            assert!(help.contains(words), "{words:?} is not in the help of {command:?}:\n{help}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 110), "{command}:\n{help}");
    }
}

#[test]
fn asked_wrongly_it_exits_with_64() {
    let scene = Scene::bare();
    for arguments in [&["sned"][..], &["send"], &["receive", "--count", "0"], &["completions", "cmd"], &[]] {
        assert_eq!(scene.run(arguments).code, 64, "{arguments:?}");
    }
}
