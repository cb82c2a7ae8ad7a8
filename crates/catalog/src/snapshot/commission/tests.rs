//! Tests of ranking and of what books need of a program.

use event::{Micros, Millis};

use crate::commission::{PaidFor, Pays, Period};
use crate::import::{Format, snapshot_of};
use crate::partner::PartnerKind;
use crate::program::Mode;
use crate::snapshot::{Level, Occasion, Snapshot};

/// 2026-03-01T00:00:00Z, when things change below.
const MARCH: Millis = Millis(1_772_323_200_000);
const BEFORE_MARCH: Millis = Millis(MARCH.0 - 1);

const TEXT: &str = r#"
[program.shop]
title = "Shop"
home = "https://shop.example/"
sites = ["https://shop.example"]
time_zone = "Europe/Paris"
currency = "EUR"
mode = [{ value = "observe" }, { value = "live", valid_from = 2026-03-01T00:00:00Z }]
terms = [
  { valid_from = 1970-01-01T00:00:00Z, commission = [{ sku = "a", percent = "5" }, { percent = "4" }], auto_approve = false },
]
[program.shop.segment.social]
title = "Social"
terms = [{ commission = [{ percent = "6" }], auto_approve = true }]
[partner.lea]
title = "Léa"
kind = "content"
[partner.lea.program.shop]
state = "approved"
segment = [{ value = "social", valid_from = 2026-03-01T00:00:00Z }]
terms = [{ valid_to = 2026-03-01T00:00:00Z, commission = [{ sku = "a", percent = "9" }, { percent = "8" }] }]
[partner.max]
title = "Max"
kind = "cashback"
[partner.max.program.shop]
state = [
  { value = "approved" },
  { value = "ended", mode = "freeze", valid_from = 2026-02-01T00:00:00Z },
  { value = "approved", valid_from = 2026-02-02T00:00:00Z },
  { value = "ended", mode = "forfeit", reason = "fake orders", evidence = "case 7", valid_from = 2026-03-01T00:00:00Z },
  { value = "approved", valid_from = 2026-05-01T00:00:00Z },
]
"#;

fn snapshot() -> Snapshot {
    snapshot_of(TEXT, Format::Toml, MARCH).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// Rank, level and what it pays.
fn ranked(snapshot: &Snapshot, partner: &str, t: Millis) -> Vec<String> {
    let terms = snapshot.program("shop").unwrap().commission(partner, t);
    let said = terms
        .rules
        .iter()
        .map(|ranked| format!("{} {:?} {:?}", ranked.rank, ranked.level, ranked.rule.pays));
    said.collect()
}

#[test]
fn rules_rank_from_the_partner_s_own_over_its_segment_s_to_the_program_s() {
    let snapshot = snapshot();
    assert_eq!(
        ranked(&snapshot, "lea", BEFORE_MARCH),
        [
            "1 Partner Percent(Rate(90000))",
            "2 Partner Percent(Rate(80000))",
            "3 Program Percent(Rate(50000))",
            "4 Program Percent(Rate(40000))"
        ]
    );
    assert_eq!(
        ranked(&snapshot, "lea", MARCH),
        [
            "1 Segment Percent(Rate(60000))",
            "2 Program Percent(Rate(50000))",
            "3 Program Percent(Rate(40000))"
        ]
    );
    assert_eq!(
        ranked(&snapshot, "max", MARCH),
        ["1 Program Percent(Rate(50000))", "2 Program Percent(Rate(40000))"]
    );
    assert_eq!(
        ranked(&snapshot, "nobody", MARCH),
        ["1 Program Percent(Rate(50000))", "2 Program Percent(Rate(40000))"]
    );
}

#[test]
fn a_program_without_terms_in_force_has_no_rules_and_approves_automatically() {
    let snapshot = snapshot();
    let terms = snapshot.program("shop").unwrap().commission("max", Millis(-1));
    assert!(terms.rules.is_empty() && terms.auto_approve);
}

#[test]
fn a_rule_is_borrowed_and_names_the_version_that_holds_it() {
    let snapshot = snapshot();
    let shop = snapshot.program("shop").unwrap();
    let terms = shop.commission("lea", BEFORE_MARCH);
    let (own, last) = (&terms.rules[0], &terms.rules[3]);
    assert_eq!(&*own.terms.id, "partner/lea/program/shop/terms/1");
    assert_eq!(last.terms, &shop.terms_at(BEFORE_MARCH).reference);
    assert!(std::ptr::eq(last.rule, &raw const shop.terms_at(BEFORE_MARCH).terms.commission[1]));
    assert_eq!(last.level, Level::Program);
}

#[test]
fn automatic_approval_is_the_partner_s_else_its_segment_s_else_the_program_s() {
    let snapshot = snapshot();
    let at = |partner, t| snapshot.program("shop").unwrap().commission(partner, t);
    assert!(!at("lea", BEFORE_MARCH).auto_approve);
    assert!(at("lea", MARCH).auto_approve);
    assert!(!at("max", MARCH).auto_approve);
}

#[test]
fn segment_and_kind_are_those_of_the_partner() {
    let snapshot = snapshot();
    let at = |partner, t| snapshot.program("shop").unwrap().commission(partner, t);
    assert_eq!(at("lea", BEFORE_MARCH).segment, None);
    assert_eq!(at("lea", MARCH).segment.unwrap().as_str(), "social");
    assert_eq!(at("lea", MARCH).kind, Some(PartnerKind::Content));
    assert_eq!(at("nobody", MARCH).kind, None);
}

#[test]
fn a_program_moves_money_from_the_first_millisecond_of_live() {
    let snapshot = snapshot();
    let shop = snapshot.program("shop").unwrap();
    assert_eq!(shop.mode_at(BEFORE_MARCH), Mode::Observe);
    assert_eq!(shop.mode_at(MARCH), Mode::Live);
    assert_eq!((shop.currency().as_str(), shop.time_zone()), ("EUR", "Europe/Paris"));
}

#[test]
fn a_forfeit_takes_orders_from_before_it_and_none_from_its_first_millisecond_on() {
    let snapshot = snapshot();
    let shop = snapshot.program("shop").unwrap();
    let forfeit = shop.forfeited_after("max", BEFORE_MARCH).unwrap();
    assert_eq!(
        (forfeit.at, forfeit.reason, forfeit.evidence),
        (MARCH, Some("fake orders"), Some("case 7"))
    );
    assert_eq!(shop.forfeited_after("max", Millis(0)).unwrap().at, MARCH);
    assert_eq!(shop.forfeited_after("max", MARCH), None);
    for other in ["lea", "nobody"] {
        assert_eq!(shop.forfeited_after(other, Millis(0)), None);
    }
}

/// The place of the rule of the sample catalog that pays for it, and what it pays.
fn paid(partner: &str, paid_for: PaidFor, touched: Option<(&str, &str)>) -> Option<(u32, Pays)> {
    let text = include_str!("../../../../../config/sample-catalog.toml");
    let snapshot = snapshot_of(text, Format::Toml, MARCH).unwrap();
    let terms = snapshot.program("boutique").unwrap().commission(partner, MARCH);
    let rule = terms.rule_for(&Occasion { paid_for, partner, touched, at: MARCH })?;
    Some((rule.rank, rule.rule.pays))
}

#[test]
fn a_click_an_impression_and_a_month_find_the_rule_that_pays_for_them() {
    let cents = |cents: i64| Micros(cents * 10_000);
    let bag = Some(("comparo-bag", "partner"));
    assert_eq!(paid("comparo", PaidFor::Click, bag), Some((1, Pays::PerClick(cents(4)))));
    assert_eq!(paid("comparo", PaidFor::Click, Some(("lea-bag", "partner"))), None);
    assert_eq!(paid("comparo", PaidFor::Impression, bag), None);
    let banner = Some(("marc-banner", "partner"));
    let thousand = Pays::PerThousandImpressions(cents(200));
    assert_eq!(paid("marc-run", PaidFor::Impression, banner), Some((1, thousand)));
    let month = PaidFor::Period(Period::Month);
    let fee = Pays::PerPeriod { period: Period::Month, amount: cents(15_000) };
    assert_eq!(paid("nina", month, None), Some((1, fee)));
    assert_eq!(paid("nina", PaidFor::Period(Period::Week), None), None);
    assert_eq!(paid("lea-voyage", month, None), None);
}

#[test]
fn a_click_takes_the_first_rule_that_matches_whatever_its_currency() {
    let rules = r#"[
      { per_click = "0.09", channel = "video" },
      { per_click = "0.08", from = 2026-03-01T00:00:00.001Z },
      { per_click = "0.07", until = 2026-03-01T00:00:00Z },
      { per_click = "0.06", segment = "social", partner_kind = "cashback" },
      { per_click = "0.05", partner = "max" },
      { per_click = "0.04", currency = "USD", segment = "social", partner_kind = "content" },
      { per_click = "0.03" },
    ]"#;
    let text = TEXT.replacen(r#"[{ percent = "6" }]"#, rules, 1);
    // A link makes the channel known.
    let link = "[link.v]\nprogram = \"shop\"\npartner = \"lea\"\nchannel = \"video\"\n\
                destination = \"https://shop.example/\"\n";
    let snapshot = snapshot_of(&format!("{text}{link}"), Format::Toml, MARCH).unwrap();
    let terms = snapshot.program("shop").unwrap().commission("lea", MARCH);
    let rank = |channel, at| {
        let occasion = Occasion {
            paid_for: PaidFor::Click,
            partner: "lea",
            touched: Some(("v", channel)),
            at: Millis(at),
        };
        terms.rule_for(&occasion).unwrap().rank
    };
    assert_eq!(rank("video", MARCH.0), 1);
    assert_eq!(rank("partner", MARCH.0 + 1), 2);
    assert_eq!(rank("partner", MARCH.0), 6);
    assert_eq!(rank("partner", MARCH.0 - 1), 3);
}
