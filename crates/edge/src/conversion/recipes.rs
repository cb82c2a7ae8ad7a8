//! The commands of `docs/conversions.md`, run against a real edge; their answers are those that the page prints.

use std::process::Command;

use event::body::Trust;
use event::{Body, Clock, Topic};

use crate::harness::{Running, Starting, keys};

const PAGE: &str = include_str!("../../../../docs/conversions.md");

/// Each command with the answer that follows it.
fn recipes(page: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut blocks = page.split("```").skip(1).step_by(2);
    let mut recipes = Vec::new();
    while let Some(block) = blocks.next() {
        if let Some(command) = block.strip_prefix("sh\n") {
            let answer = blocks.next().unwrap().split_once('\n').unwrap().1;
            recipes.push((command, answer.trim_end()));
        }
    }
    recipes
}

/// The text with every event id as `…`.
fn without_ids(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.trim_end();
    while let Some(at) = rest.find("_id\":\"01") {
        let (before, after) = rest.split_at(at + 6);
        out.push_str(before);
        out.push('…');
        rest = &after[after.find('"').unwrap()..];
    }
    out + rest
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
        || Command::new(program).arg("version").output().is_ok()
}

/// Runs every command of a page, and compares its answers with those that the page prints. None where curl or openssl is
/// absent.
pub(crate) fn run(page: &'static str, edge: &Running) -> Option<usize> {
    for program in ["curl", "openssl"] {
        if !is_there(program) {
            println!("skipped: {program} not found");
            return None;
        }
    }
    let click = edge.get("/c/l1", &[]).location("sl_click").unwrap();
    let recipes = recipes(page);
    let folder = tempfile::tempdir().unwrap();
    let now = (edge.clock.now().0 / 1000).to_string();
    let secret = data_encoding::BASE64URL_NOPAD.encode(&keys().call[0].secret.0);
    for (command, answer) in &recipes {
        let output = Command::new("sh")
            .args(["-eu", "-c", &command.replace("$(date +%s)", &now)])
            .current_dir(folder.path())
            .env("EDGE", format!("http://{}", edge.address))
            .env("TOKEN", "change-me")
            .env("KEY", "shop-calls")
            .env("SECRET", &secret)
            .env("CLICK_ID", &click)
            .output()
            .unwrap();
        let seen = String::from_utf8(output.stdout).unwrap();
        assert_eq!(without_ids(&seen), *answer, "{command}");
    }
    Some(recipes.len())
}

#[test]
fn every_command_of_the_page_answers_what_the_page_says() {
    let edge = Starting::default().start();
    let Some(commands) = run(PAGE, &edge) else { return };
    assert!(commands >= 9, "{commands}");
    let events = edge.events(Topic::Conversions, commands - 1);
    let trusts: Vec<Trust> = events
        .iter()
        .filter_map(
            |event| if let Body::Conversion(c) = &event.body { Some(c.trust) } else { None },
        )
        .collect();
    let of = |trust| trusts.iter().filter(|t| **t == trust).count();
    assert_eq!((of(Trust::Token), of(Trust::Page), of(Trust::Signed)), (4, 1, 2));
    assert_eq!(events.len(), trusts.len() + 1, "one validation");
}
