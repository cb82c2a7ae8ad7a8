//! With which key the acts of a program are signed, and what to write where if there is none.

use std::path::Path;

use catalog::ProgramRef;
use event::keys::{KeyFile, Secret};

/// A key that signs.
#[derive(Clone, Copy, Debug)]
pub(super) struct SigningKey<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// Its secret.
    pub(super) secret: &'a Secret,
}

/// Where keys and catalog are, as the configuration says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files<'a> {
    /// The key file.
    pub(super) keys: &'a Path,
    /// The catalog file.
    pub(super) catalog: &'a Path,
}

/// The first of the program's `hmac_keys` that stands in the key file.
///
/// # Errors
/// What to write where.
pub(super) fn signing<'a>(
    keys: &'a KeyFile,
    program: ProgramRef<'_>,
    files: Files<'_>,
) -> Result<SigningKey<'a>, String> {
    let name = program.name();
    let named = &program.body().reports.hmac_keys;
    let of_program = || keys.call.iter().filter(|key| key.program == *name);
    let usable = named.iter().find_map(|id| of_program().find(|key| key.id == **id));
    if let Some(key) = usable {
        return Ok(SigningKey { id: &key.id, secret: &key.secret });
    }
    let (key_file, catalog) = (files.keys.display(), files.catalog.display());
    let mut text = format!("program {name} has no key that signs its calls. Do this once:");
    let in_file = of_program().next().map(|key| key.id.as_str());
    let id = in_file
        .or(named.first().map(AsRef::as_ref))
        .map_or_else(|| format!("{name}-orders"), str::to_owned);
    let mut step = 0;
    let mut say = |what: String| {
        step += 1;
        text.push_str(&format!("\n  {step}. {what}"));
    };
    if in_file.is_none() {
        say(format!("sillage keygen {key_file} --name {id} --program {name}"));
    }
    if !named.iter().any(|known| **known == *id) {
        let mut all: Vec<&str> = named.iter().map(AsRef::as_ref).collect();
        all.push(&id);
        say(format!("in {catalog}, under [program.{name}.reports], write: hmac_keys = {all:?}"));
    }
    say("send the running node a SIGHUP, so that it reads both files anew".to_owned());
    Err(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use catalog::import::{Format, snapshot_of};
    use event::Millis;
    use event::keys::{KeyFile, KeySet, ProgramKey, Secret};

    use super::{Files, signing};

    fn said(hmac_keys: &str, keys: &[(&str, &str)]) -> Result<String, String> {
        let text = format!(
            "[program.shop]\ntitle = \"S\"\nhome = \"https://s.example/\"\nsites = [\"https://s.example\"]\n\
             time_zone = \"UTC\"\ncurrency = \"EUR\"\nreports = {{ hmac_keys = {hmac_keys} }}\n"
        );
        let catalog = snapshot_of(&text, Format::Toml, Millis(0)).unwrap();
        let call = |(id, program): &(&str, &str)| ProgramKey {
            id: (*id).to_owned(),
            program: program.parse().unwrap(),
            secret: Secret([1; 32]),
        };
        let keys = KeyFile {
            customer_secret: Secret([0; 32]),
            click: KeySet::default(),
            identity: KeySet::default(),
            call: keys.iter().map(call).collect(),
            link: Vec::new(),
        };
        let files = Files { keys: Path::new("keys.toml"), catalog: Path::new("c.toml") };
        signing(&keys, catalog.program("shop").unwrap(), files).map(|key| key.id.to_owned())
    }

    #[test]
    fn the_first_key_that_both_files_name_signs() {
        assert_eq!(said("[\"a\", \"b\"]", &[("c", "shop"), ("b", "shop")]).unwrap(), "b");
        assert!(said("[\"a\"]", &[("a", "other")]).is_err());
    }

    #[test]
    fn what_is_missing_is_said_step_by_step() {
        expect_test::expect![[r#"
            program shop has no key that signs its calls. Do this once:
              1. sillage keygen keys.toml --name shop-orders --program shop
              2. in c.toml, under [program.shop.reports], write: hmac_keys = ["shop-orders"]
              3. send the running node a SIGHUP, so that it reads both files anew"#]]
        .assert_eq(&said("[]", &[]).unwrap_err());
        expect_test::expect![[r#"
            program shop has no key that signs its calls. Do this once:
              1. in c.toml, under [program.shop.reports], write: hmac_keys = ["a", "b"]
              2. send the running node a SIGHUP, so that it reads both files anew"#]]
        .assert_eq(&said("[\"a\"]", &[("b", "shop")]).unwrap_err());
        expect_test::expect![[r#"
            program shop has no key that signs its calls. Do this once:
              1. sillage keygen keys.toml --name a --program shop
              2. send the running node a SIGHUP, so that it reads both files anew"#]]
        .assert_eq(&said("[\"a\"]", &[]).unwrap_err());
    }
}
