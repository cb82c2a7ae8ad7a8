//! Catalogs of the tests: what each of them needs is said in a line, the rest is as in every shop.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// Settings of a server whose one client stands for many: its rates are those of all.
pub const RATES_OF_ALL: &str = "[edge.conversions]
calls_per_second_per_key = 1000000
calls_burst_per_key = 1000000
page_calls_per_second_per_address = 1000000
page_calls_burst_per_address = 1000000
";

/// A catalog that is written part by part.
#[derive(Clone, Debug, Default)]
pub struct Catalog(String);

impl Catalog {
    /// A program with home and site `https://NAME.example`, and further keys of its `reports`.
    #[must_use]
    pub fn program(mut self, name: &str, reports: &str) -> Self {
        let _written = write!(
            self.0,
            "[program.{name}]\ntitle = \"{name}\"\nhome = \"https://{name}.example/\"\n\
             sites = [\"https://{name}.example\"]\ntime_zone = \"Europe/Paris\"\ncurrency = \"EUR\"\n\
             [program.{name}.reports]\n{reports}\n\n"
        );
        self
    }

    /// A partner that these programs have approved.
    #[must_use]
    pub fn partner(mut self, name: &str, kind: &str, programs: &[&str]) -> Self {
        let _written = writeln!(self.0, "[partner.{name}]\ntitle = \"{name}\"\nkind = \"{kind}\"");
        for program in programs {
            let _written = writeln!(self.0, "program.{program}.state = \"approved\"");
        }
        self.0.push('\n');
        self
    }

    /// A link of a partner, `PARTNER-PROGRAM`, to the program's home.
    #[must_use]
    pub fn link(mut self, partner: &str, program: &str) -> Self {
        let _written = write!(
            self.0,
            "[link.{partner}-{program}]\nprogram = \"{program}\"\npartner = \"{partner}\"\n\
             destination = \"https://{program}.example/?from={partner}\"\n\n"
        );
        self
    }

    /// The file.
    #[must_use]
    pub fn text(self) -> String {
        self.0
    }
}

/// The key of `reports` that lets this token in.
#[must_use]
pub fn token_sha256(token: &str) -> String {
    format!("token_sha256 = [\"{}\"]", HEXLOWER.encode(&Sha256::digest(token)))
}
