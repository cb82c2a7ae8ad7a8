//! The binary as an operator meets it: exit codes, what it prints, signals.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on panics"
)]

mod booked;
mod books;
mod commands;
mod orders;
mod serving;
mod stages;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder with a configuration, a catalog and keys, in which the binary runs.
struct Place {
    folder: TempDir,
}

const CATALOG: &str = r#"
[program.shop]
title = "Shop"
home = "https://shop.example/"
sites = ["https://shop.example"]
time_zone = "Europe/Paris"
currency = "EUR"
goal = { sale = {}, lead = {} }
# The token is "change-me".
reports = { token_sha256 = ["e2186dbdb1bb4193608605e84f33208765b5693b55edd4f730a719a100eeea6f"] }

[partner.lea]
title = "Lea"
kind = "content"
program.shop.state = "approved"

[link.lea-home]
program = "shop"
partner = "lea"
destination = "https://shop.example/"
"#;

impl Place {
    /// Everything that `serve` needs, on free ports.
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.write(
            "sillage.toml",
            "[node]\ndata_folder = \"data\"\ncatalog_file = \"catalog.toml\"\nkey_file = \"keys.toml\"\n\
             drain_delay = \"500ms\"\n[edge]\nlisten = [\"127.0.0.1:0\"]\ncores = 1\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n",
        );
        place.write("catalog.toml", CATALOG);
        assert!(place.run(&["keygen"]).status.success());
        place
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sillage"));
        command.args(arguments).current_dir(self.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Exit code, standard output and standard error.
    fn said(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.run(arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }
}
