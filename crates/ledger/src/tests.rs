//! Tests of the engine: what an order earns, in which state, and which transfers lead there.

mod locks;
mod prices;
mod properties;
mod returns;
mod states;
mod transfers;

use expect_test::Expect;

use crate::build::{World, lines};

/// Runs each script clause by clause, and tells what each changed, then the lines of the books.
fn check(scripts: &[&str], expected: Expect) {
    let mut told = String::new();
    for script in scripts {
        let (world, steps) = World::run(script);
        told.push_str(&format!("{script}\n{steps}"));
        if world.book.is_some() {
            for line in lines(&world) {
                told.push_str(&format!("    = {line}\n"));
            }
        }
    }
    expected.assert_eq(&told);
}
