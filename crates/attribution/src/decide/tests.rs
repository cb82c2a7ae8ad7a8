//! Decisions in a few words; every boundary on both sides.

use expect_test::{Expect, expect};

use crate::build::World;
use crate::decide::{Verification, verify};

mod boundaries;
mod mistakes;
mod oracle;
mod properties;
mod rules;

/// Decides the first order of each world. Every decision must also verify from its own trace and survive its JSON.
#[expect(clippy::needless_pass_by_value, reason = "an expectation is written where it is used")]
fn check(scripts: &[&str], expected: Expect) {
    let mut told = String::new();
    for script in scripts {
        let world = World::read(script);
        let decision = &world.decisions()[0];
        told.push_str(&format!("{script}\n    {}\n", world.tell(decision)));
        let snapshot = world.snapshot();
        let verified = verify(decision, snapshot.program("shop").unwrap());
        assert_eq!(verified, Verification::Same, "{script}");
        let json = serde_json::to_string(decision).unwrap();
        assert_eq!(&serde_json::from_str::<event::body::Decision>(&json).unwrap(), decision);
    }
    expected.assert_eq(&told);
}

#[test]
fn the_last_click_before_the_order_gets_all_of_it() {
    check(
        &["click A @0d; click B @1d; order @2d amount=7"],
        expect![[r#"
        click A @0d; click B @1d; order @2d amount=7
            ATTRIBUTED B gets 7; B CREDITED 0, age 1d; A NOT_SELECTED 404, age 2d
    "#]],
    );
}
