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

#[test]
fn an_order_closes_by_its_own_time_or_by_the_end_of_its_month() {
    let closes = |lock: &str, at: i64, received: i64| {
        let text = format!(
            "[program.shop]\ntitle = \"S\"\nhome = \"https://s.example/\"\nsites = [\"https://s.example\"]\n\
             time_zone = \"Europe/Paris\"\ncurrency = \"EUR\"\nterms = [{{ {lock} }}]\n"
        );
        let catalog = catalog::snapshot_of(&text, catalog::Format::Toml, event::Millis(0)).unwrap();
        let program = catalog.program("shop").unwrap();
        super::closes_at(event::Millis(at), event::Millis(received), program).0
    };
    const DAY: i64 = 86_400_000;
    let november = 1_793_487_600_000; // in Paris
    let month = "lock = { month_end_plus = 3 }, lateness = \"1d\"";
    assert_eq!(closes(month, november - 1, november), november + (3 + 1) * DAY);
    assert_eq!(closes(month, november, november), november + (30 + 3 + 1) * DAY);
    assert_eq!(closes(month, november - 1, november + 5 * DAY), november + (5 + 1 + 1) * DAY);
    assert_eq!(closes("lock_after = \"10d\", lateness = \"1d\"", november, 0), november + 11 * DAY);
}
