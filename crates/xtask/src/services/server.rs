//! Processes of servers: started apart from this one, found again by the folder that they work in.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, bail};

/// Programs that a part may consist of. What else works in such a folder, a shell say, is left alone.
const PROGRAMS: [&str; 3] = ["java", "redis-server", "postgres"];

/// Longest wait until a server answers.
const START_MAX: Duration = Duration::from_secs(180);

/// How long a server may take to end in good order.
const STOP_MAX: Duration = Duration::from_secs(5);

/// Longest wait for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

const PAUSE: Duration = Duration::from_millis(50);

/// As many ports of this machine that nobody listens on.
pub(super) fn spare_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    // All are held before the first is let go, so that no port comes twice.
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect::<Result<_, _>>()
        .context("find spare ports")?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// A process that neither a signal to this one's group nor its end reaches.
pub(super) fn apart(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// Starts a server that works in `folder` and writes to `name.log` there.
pub(super) fn start(command: &mut Command, folder: &Path, name: &str) -> anyhow::Result<()> {
    let path = folder.join(format!("{name}.log"));
    let log = File::create(&path).with_context(|| format!("make {}", path.display()))?;
    let errors = log.try_clone()?;
    command.current_dir(folder).stdin(Stdio::null()).stdout(log).stderr(errors);
    let program = command.get_program().to_string_lossy().into_owned();
    apart(command).spawn().with_context(|| format!("start {program}"))?;
    Ok(())
}

/// Waits until `answers` says yes; says what the server wrote if it does not come to that.
pub(super) fn wait(
    folder: &Path,
    name: &str,
    mut answers: impl FnMut() -> bool,
) -> anyhow::Result<()> {
    let began = Instant::now();
    while !answers() {
        // A moment's grace: a process that was just started may not be in its folder yet.
        let gone = began.elapsed() > Duration::from_secs(2) && !runs(folder)?;
        if gone || began.elapsed() > START_MAX {
            let text = fs::read_to_string(folder.join(format!("{name}.log"))).unwrap_or_default();
            let last: Vec<&str> = text.lines().rev().take(20).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            let what = if gone { "ended" } else { "does not answer" };
            bail!("{name} {what}; it last wrote:\n{}", last.join("\n"));
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// What the server at `port` answers to `request`, at most `limit` bytes of it.
pub(super) fn ask(port: u16, request: &[u8], limit: usize) -> Option<Vec<u8>> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX).ok()?;
    stream.set_read_timeout(Some(ANSWER_MAX)).ok()?;
    stream.write_all(request).ok()?;
    let mut answer = vec![0; limit];
    let length = stream.read(&mut answer).ok()?;
    answer.truncate(length);
    Some(answer)
}

/// Whether a server works in this folder.
pub(super) fn runs(folder: &Path) -> anyhow::Result<bool> {
    Ok(!processes(folder)?.is_empty())
}

/// Ends every server that works in this folder: in good order, or else by force.
pub(super) fn stop(folder: &Path) -> anyhow::Result<()> {
    let began = Instant::now();
    signal("-INT", &processes(folder)?)?;
    loop {
        let left = processes(folder)?;
        if left.is_empty() {
            return Ok(());
        }
        if began.elapsed() > STOP_MAX {
            signal("-KILL", &left)?;
        }
        if began.elapsed() > STOP_MAX * 2 {
            bail!("processes {left:?} do not end");
        }
        thread::sleep(PAUSE);
    }
}

fn signal(signal: &str, processes: &[String]) -> anyhow::Result<()> {
    if processes.is_empty() {
        return Ok(());
    }
    // One that has just ended makes `kill` fail: whoever is left is seen by the caller.
    let mut kill = Command::new("kill");
    kill.arg(signal).args(processes).stderr(Stdio::null());
    kill.status().context("start `kill`")?;
    Ok(())
}

/// The numbers of the servers' processes that work in this folder.
fn processes(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").context("read /proc")? {
        let process = process?;
        let Some(number) = process.file_name().to_str().map(str::to_owned) else { continue };
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // Those of others, and those that have just ended, cannot be read.
        let path = process.path();
        let place = fs::read_link(path.join("cwd")).unwrap_or_default();
        let program = fs::read_to_string(path.join("comm")).unwrap_or_default();
        if is_within(&place, folder) && PROGRAMS.contains(&program.trim_end()) {
            found.push(number);
        }
    }
    Ok(found)
}

/// Also where the folder has been removed already: the system then adds a word to its path.
fn is_within(place: &Path, folder: &Path) -> bool {
    let deleted = || place.to_str().and_then(|place| place.strip_suffix(" (deleted)"));
    place.starts_with(folder)
        || deleted().is_some_and(|place| PathBuf::from(place).starts_with(folder))
}
