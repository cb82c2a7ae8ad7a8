//! `sillage keygen`: makes the key file, or adds keys to it. Prints names and times, never a secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use event::keys::{KeyFile, KeySet, ProgramKey};
use event::{Clock, Millis, ProgramName};

use crate::cli::{KeygenArguments, Purpose};
use crate::clock::SystemClock;
use crate::config::{self, PathKey};
use crate::keys;

/// How long a click key verifies after its successor signs: an order can name a click of the longest window, late by
/// the longest lateness (`horizon` 90 d + backdating and lateness).
const CLICK_VERIFIES: Duration = Duration::from_hours(135 * 24);

/// The same for the key of visitor cookies: browsers keep none longer than 400 days.
const IDENTITY_VERIFIES: Duration = Duration::from_hours(400 * 24);

/// Makes or changes the key file and prints what it did.
pub(crate) fn run(arguments: KeygenArguments) -> anyhow::Result<()> {
    let path = match arguments.file {
        Some(file) => file,
        None => configured(&arguments.config.config)?,
    };
    let said = match (arguments.name, arguments.program) {
        (Some(name), Some(program)) => add_program_key(&path, name, &program, arguments.signs)?,
        _ => make_or_rotate(&path, SystemClock.now())?,
    };
    println!("{said}");
    Ok(())
}

fn configured(file: &Path) -> anyhow::Result<PathBuf> {
    // The rest of the configuration may still be wrong: keys are made first.
    let path = config::path(file, PathKey::KeyFile).with_context(|| {
        format!(
            "name the key file (`sillage keygen FILE`), or set node.key_file in {}",
            file.display()
        )
    })?;
    Ok(path)
}

pub(crate) fn make_or_rotate(path: &Path, now: Millis) -> anyhow::Result<String> {
    if !path.exists() {
        let mut made = KeyFile {
            customer_secret: keys::random_secret()?,
            click: KeySet::default(),
            identity: KeySet::default(),
            call: Vec::new(),
            link: Vec::new(),
        };
        made.click.add("click", keys::random_secret()?, now)?;
        made.identity.add("identity", keys::random_secret()?, now)?;
        keys::write(path, &made)?;
        return Ok(format!(
            "made {}: its click key and its identity key sign from now on",
            path.display()
        ));
    }
    let mut kept = keys::read(path)?;
    forget(&mut kept.click, now);
    forget(&mut kept.identity, now);
    let click = rotate(&mut kept.click, "click", now, CLICK_VERIFIES)?;
    let identity = rotate(&mut kept.identity, "identity", now, IDENTITY_VERIFIES)?;
    keys::write(path, &kept)?;
    Ok(format!(
        "added to {}: click key {} and identity key {}, which sign from {}\n\
         copy the file to every node and send each a SIGHUP before then; the keys before them go on \
         verifying, click ids for {} days and cookies for {}",
        path.display(),
        click.0,
        identity.0,
        click.1,
        CLICK_VERIFIES.as_secs() / 86_400,
        IDENTITY_VERIFIES.as_secs() / 86_400,
    ))
}

/// Drops keys that verify nothing any more.
fn forget(set: &mut KeySet, now: Millis) {
    set.0.retain(|key| key.verify_until.is_none_or(|until| now < until));
}

/// Adds a key to `set`; those before it verify for `verifies` after it begins to sign. Its id, and from when it signs.
fn rotate(
    set: &mut KeySet,
    name: &'static str,
    now: Millis,
    verifies: Duration,
) -> anyhow::Result<(u8, Millis)> {
    let added = set.add(name, keys::random_secret()?, now)?;
    let (id, sign_from) = (added.id, added.sign_from);
    for key in set.0.iter_mut().filter(|key| key.id != id) {
        key.verify_until.get_or_insert(sign_from + verifies);
    }
    Ok((id.0, sign_from))
}

fn add_program_key(
    path: &Path,
    name: String,
    program: &str,
    signs: Purpose,
) -> anyhow::Result<String> {
    let program = ProgramName::new(program).with_context(|| format!("program {program:?}"))?;
    if !event::name::is_name(&name) {
        bail!("key name {name:?}: {}", event::name::NotAName);
    }
    let mut kept = keys::read(path)?;
    let (list, table) = match signs {
        Purpose::Call => (&mut kept.call, "[[call]]"),
        Purpose::Link => (&mut kept.link, "[[link]]"),
    };
    if list.iter().any(|key| key.id == name) {
        bail!("{} has a key named {name:?} under {table}: choose another name", path.display());
    }
    let said = format!(
        "added key {name} of program {program} to {} under {table}; its secret stands there\n\
         name it in the program's catalog entry, then send each node a SIGHUP",
        path.display()
    );
    list.push(ProgramKey { id: name, program, secret: keys::random_secret()? });
    keys::write(path, &kept)?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use event::Millis;
    use event::keys::SIGN_LEAD_MS;

    use super::{CLICK_VERIFIES, add_program_key, make_or_rotate};
    use crate::cli::Purpose;
    use crate::keys;

    const NOW: Millis = Millis(1_793_664_000_000);

    #[test]
    fn a_new_file_is_private_and_its_keys_sign_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        make_or_rotate(&path, NOW).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let made = keys::read(&path).unwrap();
        assert!(made.click.signing(NOW).is_some() && made.identity.signing(NOW).is_some());
    }

    #[test]
    fn a_second_run_adds_keys_that_sign_an_hour_later_and_the_old_ones_go_on_verifying() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        make_or_rotate(&path, NOW).unwrap();
        let old = keys::read(&path).unwrap().click.signing(NOW).unwrap().id;
        let said = make_or_rotate(&path, NOW).unwrap();
        let kept = keys::read(&path).unwrap();
        let later = Millis(NOW.0 + SIGN_LEAD_MS);
        assert_eq!(kept.click.signing(Millis(later.0 - 1)).unwrap().id, old);
        assert_ne!(kept.click.signing(later).unwrap().id, old);
        let end = later + CLICK_VERIFIES;
        assert!(kept.click.verifying(old, Millis(end.0 - 1)).is_some());
        assert!(kept.click.verifying(old, end).is_none());
        assert!(said.contains(&later.to_string()), "{said}");
    }

    #[test]
    fn a_third_run_leaves_the_end_of_the_oldest_key_alone_and_drops_it_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        make_or_rotate(&path, NOW).unwrap();
        make_or_rotate(&path, NOW).unwrap();
        let end =
            keys::read(&path).unwrap().click.0.iter().find_map(|key| key.verify_until).unwrap();
        make_or_rotate(&path, Millis(end.0 - 1)).unwrap();
        assert_eq!(keys::read(&path).unwrap().click.0.len(), 3);
        make_or_rotate(&path, end).unwrap();
        assert_eq!(keys::read(&path).unwrap().click.0.len(), 3, "one dropped, one added");
    }

    #[test]
    fn nothing_printed_holds_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let mut said = make_or_rotate(&path, NOW).unwrap();
        said += &add_program_key(&path, "shop-1".into(), "shop", Purpose::Call).unwrap();
        said += &add_program_key(&path, "shop-1".into(), "shop", Purpose::Link).unwrap();
        said += &format!(
            "{:#}",
            add_program_key(&path, "shop-1".into(), "shop", Purpose::Call).unwrap_err()
        );
        let text = std::fs::read_to_string(&path).unwrap();
        let secrets: Vec<&str> = text.split('"').filter(|word| word.len() == 43).collect();
        assert_eq!(secrets.len(), 5, "{text}");
        assert!(secrets.iter().all(|secret| !said.contains(secret)), "{said}");
    }
}
