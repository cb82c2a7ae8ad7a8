//! PostgreSQL. It refuses to run as root: then it runs as the user `postgres`, who comes with its package.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context as _, bail};

use super::server;
use crate::suite::is_root;

const USER: &str = "postgres";

/// Where Debian puts its programs, a folder for each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// What is missing on this machine, and how to get it.
pub(super) fn missing() -> Option<String> {
    if programs().is_none() {
        return Some("initdb not found: apt-get install postgresql".to_owned());
    }
    let nobody = is_root() && id("-u").is_err();
    nobody.then(|| format!("there is no user `{USER}` to run it as: useradd --system {USER}"))
}

/// Starts a server with an empty database.
pub(super) fn start(
    folder: &Path,
    announce: &mut dyn FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let programs = programs().context("initdb not found")?;
    let ports = server::spare_ports(1)?;
    let port = ports.first().copied().context("a spare port")?.to_string();
    announce(format!("postgresql://{USER}@127.0.0.1:{port}/postgres"))?;
    let owner = if is_root() { Some((id("-u")?, id("-g")?)) } else { None };
    if let Some((user, group)) = owner {
        chown(folder, Some(user), Some(group)).context("give the folder to its user")?;
    }
    let program = |name: &str| {
        let mut program = Command::new(programs.join(name));
        if let Some((user, group)) = owner {
            program.uid(user).gid(group);
        }
        program.current_dir(folder);
        program
    };
    let data = folder.join("data");
    let mut init = program("initdb");
    init.args([
        "--username",
        USER,
        "--auth",
        "trust",
        "--encoding",
        "UTF8",
        "--locale",
        "C",
        "--pgdata",
    ]);
    let output = init.arg(&data).stdin(Stdio::null()).output().context("start initdb")?;
    if !output.status.success() {
        bail!("initdb: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let mut serve = program("postgres");
    serve.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &port, "-k", ""]);
    server::start(&mut serve, folder, "postgres")?;
    let ready = || {
        let mut ask = program("pg_isready");
        ask.args(["--quiet", "-h", "127.0.0.1", "-p", &port]).stdout(Stdio::null());
        ask.status().is_ok_and(|status| status.success())
    };
    server::wait(folder, "postgres", ready)
}

/// The folder with `initdb` and `postgres`: the newest of Debian's, else one of `PATH`.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let number = |name: &OsStr| name.to_str().and_then(|name| name.parse::<u32>().ok());
    let newest =
        versions.filter_map(|version| Some((number(&version.file_name())?, version.path())));
    let newest = newest.max().map(|(_, path)| path.join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let both = |folder: &PathBuf| {
        ["initdb", "postgres"].iter().all(|name| {
            fs::metadata(folder.join(name)).is_ok_and(|program| program.mode() & 0o111 != 0)
        })
    };
    newest.into_iter().chain(env::split_paths(&path)).find(both)
}

fn id(of: &str) -> anyhow::Result<u32> {
    let output = Command::new("id").args([of, USER]).output().context("start `id`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| format!("the user {USER}"))
}
