//! A full disk under the real binary: redirects go on, conversions are told to come again, and it heals by itself.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::http::Reply;
use tests::server::{Server, Setup};
use tests::wait_for;

const CATALOG: &str = include_str!("../../config/minimal-catalog.toml");

/// A small file system in memory, gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it over a folder, keeping what was there; [`None`] where that is not allowed.
    fn over(folder: &Path) -> Option<Self> {
        let before = folder.with_extension("before");
        fs::rename(folder, &before).unwrap();
        fs::create_dir(folder).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(folder).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let disk = Self(folder.to_owned());
        let copied = Command::new("cp").arg("-a").arg(before.join(".")).arg(folder).status();
        assert!(copied.expect("run cp").success());
        Some(disk)
    }

    /// Takes all space that is left.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = fs::File::create(&path).unwrap();
        let block = vec![0xaa; 4_096];
        while file.write_all(&block).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may still have files open there.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn order(server: &Server, order: &str) -> Reply {
    let body = format!("order_id={order}&amount=12.50&s1={}", "x".repeat(200));
    let headers = [
        ("Authorization", "Bearer change-me"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    server.call("POST", "127.0.0.1", "/v1/conversions", &headers, body.as_bytes())
}

#[test]
fn on_a_full_disk_redirects_go_on_conversions_are_told_to_come_again_and_it_heals() {
    let mut server = Server::start(Setup { catalog: CATALOG.to_owned(), ..Setup::default() });
    assert!(server.stop().success());
    let Some(disk) = SmallDisk::over(&server.folder().join("data")) else {
        // Only root may mount; a build server need not be root.
        println!("skipped: no right to mount a file system");
        return;
    };
    server.restart();
    assert_eq!(order(&server, "BEFORE").status, 200);
    let filler = disk.fill();

    let mut promised = vec!["BEFORE".to_owned()];
    let mut n = 0;
    let refused = wait_for("a conversion that the disk cannot take", || {
        for _ in 0..100 {
            n += 1;
            let name = format!("FULL-{n}");
            let reply = order(&server, &name);
            if reply.status == 503 {
                return Some(reply);
            }
            assert_eq!(reply.status, 200, "{}", reply.text());
            promised.push(name);
        }
        None
    });
    let seconds: u32 = refused.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!((1..=5).contains(&seconds), "{seconds}");
    assert_eq!(refused.json()["result"], "not_stored");
    assert_eq!(refused.header("sillage-recorded"), Some("no"));
    let click = wait_for("a click that says that it is not recorded", || {
        let reply = server.call("GET", "127.0.0.1", "/c/first-link", &[], &[]);
        assert_eq!(reply.status, 302, "a redirect never fails");
        assert!(reply.header("location").is_some_and(|to| to.contains("sl_click=")));
        (reply.header("sillage-recorded") == Some("no")).then_some(reply)
    });
    assert!(click.header("sillage-event").is_some());
    assert_eq!(server.admin("/readyz").status, 200, "a full disk does not unready a node");
    wait_for("dedup to fail", || (server.metric("stage_running", "dedup") == 0.0).then_some(()));
    wait_for("dedup to say that it is behind", || {
        (server.metric("eventlog_consumer_lag_records", "group=\"dedup\"") > 0.0).then_some(())
    });

    fs::remove_file(filler).unwrap();
    wait_for("conversions to be taken again", || {
        (order(&server, "AFTER").status == 200).then_some(())
    });
    promised.push("AFTER".to_owned());
    let stands = server.metric("loss_sequences_undeclared", "");
    assert!(stands == 0.0, "{stands} sequences are lost and not declared");
    // Also the stages heal by themselves: each opens its state anew.
    for name in &promised {
        wait_for(&format!("the decision of {name}, which was promised"), || {
            server.decision("shop", name)
        });
    }
    assert!(server.stop().success(), "the server ends in good order");
}
