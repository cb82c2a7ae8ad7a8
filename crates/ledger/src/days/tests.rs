//! Days of the calendar, rules over time and the money of counts.

use catalog::{Format, Snapshot, snapshot_of};
use event::body::TouchKind;
use event::body::posting::Purpose;
use event::{Flag, Micros, Millis};

use super::{Day, MINUTE_MS, Pay, Place, Tally, Zone, due, earned, line, scopes, transfers};

const MADE: &str = "2025-12-01T00:00:00Z";

fn at(text: &str) -> Millis {
    Millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// A program in Paris with these rules, and the parts of partners in it.
fn world(terms: &str, partners: &[(&str, &str)]) -> Snapshot {
    let mut text = format!(
        "[program.shop]\ntitle = \"Shop\"\nhome = \"https://shop.example/\"\nsites = [\"https://shop.example\"]\n\
         time_zone = \"Europe/Paris\"\ncurrency = \"EUR\"\nmode = \"live\"\nterms = {terms}\n"
    );
    for (name, part) in partners {
        text.push_str(&format!(
            "[partner.{name}]\ntitle = \"{name}\"\nkind = \"content\"\nprogram.shop = {{ {part} }}\n"
        ));
    }
    snapshot_of(&text, Format::Toml, at(MADE)).unwrap_or_else(|faults| panic!("{faults:?}"))
}

const LEA: (&str, &str) = ("lea", "state = \"approved\"");

fn touched(kind: TouchKind, time: &str, count: u64, flags: &[Flag]) -> Tally {
    let place = Place {
        program: "shop".parse().unwrap(),
        kind,
        partner: "lea".into(),
        link: "l".into(),
        channel: "c".into(),
        flags: flags.to_vec(),
    };
    Tally { place, minute: at(time).0.div_euclid(MINUTE_MS), count }
}

fn clicks(time: &str, count: u64) -> Tally {
    touched(TouchKind::Click, time, count, &[])
}

/// `terms rank partner count micros` of a day.
fn of(catalog: &Snapshot, day: &str, tallies: &[Tally]) -> Vec<String> {
    let zone = Zone::named("Europe/Paris");
    let program = catalog.program("shop").unwrap();
    let day: Day = day.parse().unwrap();
    let earned = earned(catalog, program, (&zone, day), tallies.to_vec());
    let said = earned.iter().map(|(key, earned)| {
        let terms = key.terms.rsplit_once("terms/").unwrap().1;
        format!("{terms}.{} {} {} {}", key.rank, key.partner, earned.count, earned.amount.0)
    });
    said.collect()
}

#[test]
fn a_touch_belongs_to_the_day_of_the_program_also_where_the_clocks_change() {
    let catalog = world(r#"[{ commission = [{ per_click = "0.10" }] }]"#, &[LEA]);
    // The day of 25 hours: from +02:00 to +01:00.
    let autumn = [
        clicks("2026-10-24T21:59:00Z", 1),
        clicks("2026-10-24T22:00:00Z", 2),
        clicks("2026-10-25T00:30:00Z", 4), // 02:30 for the first time
        clicks("2026-10-25T01:30:00Z", 8), // and for the second
        clicks("2026-10-25T22:59:00Z", 16),
        clicks("2026-10-25T23:00:00Z", 32),
    ];
    assert_eq!(of(&catalog, "2026-10-24", &autumn), ["1.1 lea 1 100000"]);
    assert_eq!(of(&catalog, "2026-10-25", &autumn), ["1.1 lea 30 3000000"]);
    assert_eq!(of(&catalog, "2026-10-26", &autumn), ["1.1 lea 32 3200000"]);
    // The day of 23 hours.
    let spring = [
        clicks("2026-03-28T22:59:00Z", 1),
        clicks("2026-03-28T23:00:00Z", 2),
        clicks("2026-03-29T21:59:00Z", 4),
        clicks("2026-03-29T22:00:00Z", 8),
    ];
    assert_eq!(of(&catalog, "2026-03-28", &spring), ["1.1 lea 1 100000"]);
    assert_eq!(of(&catalog, "2026-03-29", &spring), ["1.1 lea 6 600000"]);
    assert_eq!(of(&catalog, "2026-03-30", &spring), ["1.1 lea 8 800000"]);
}

#[test]
fn a_day_is_due_when_it_is_over_and_the_lateness_too() {
    let catalog = world(r#"[{ lateness = "2d", commission = [{ per_click = "0.10" }] }]"#, &[LEA]);
    let zone = Zone::named("Europe/Paris");
    let program = catalog.program("shop").unwrap();
    let due = |day: &str| due(program, &zone, day.parse().unwrap());
    assert_eq!(due("2026-10-24"), at("2026-10-26T22:00:00Z"));
    assert_eq!(due("2026-10-25"), at("2026-10-27T23:00:00Z"));
    assert_eq!(due("2026-03-28"), at("2026-03-30T23:00:00Z"));
    assert_eq!(due("2026-03-29"), at("2026-03-31T22:00:00Z"));
}

#[test]
fn periods_are_paid_on_their_first_day_alone() {
    let rules = r#"[{ per_month = "50.00" }, { per_week = "10.00" }, { per_day = "1.00" }]"#;
    let catalog = world(&format!("[{{ commission = {rules} }}]"), &[LEA]);
    let (month, week, day) = ("1.1 lea 1 50000000", "1.2 lea 1 10000000", "1.3 lea 1 1000000");
    assert_eq!(of(&catalog, "2026-02-28", &[]), [day]);
    assert_eq!(of(&catalog, "2026-03-01", &[]), [month, day]); // a Sunday
    assert_eq!(of(&catalog, "2026-03-02", &[]), [week, day]);
    assert_eq!(of(&catalog, "2026-06-01", &[]), [month, week, day]); // a Monday
    assert_eq!(of(&catalog, "2026-12-28", &[]), [week, day]); // ISO week 53
    assert_eq!(of(&catalog, "2027-01-01", &[]), [month, day]);
    assert_eq!(of(&catalog, "2027-01-04", &[]), [week, day]); // ISO week 1
    // Not before the catalog knew the partner: 00:00 in Paris lies before 00:00 UTC.
    assert_eq!(of(&catalog, "2025-12-01", &[]), [""; 0]);
    assert_eq!(of(&catalog, "2025-12-02", &[]), [day]);
}

#[test]
fn each_touch_is_paid_by_the_rule_in_force_at_its_minute() {
    let terms = r#"[
      { commission = [{ per_click = "0.10", until = 2026-06-10T10:00:00Z }, { per_click = "0.20" }] },
      { valid_from = 2026-06-10T22:00:00Z, commission = [{ per_click = "0.30" }] },
    ]"#;
    let catalog = world(terms, &[LEA]);
    let tallies = [
        clicks("2026-06-10T09:59:00Z", 1),
        clicks("2026-06-10T10:00:00Z", 2),
        clicks("2026-06-10T21:59:00Z", 4),
        clicks("2026-06-10T22:00:00Z", 8),
    ];
    assert_eq!(of(&catalog, "2026-06-10", &tallies), ["1.1 lea 1 100000", "1.2 lea 6 1200000"]);
    assert_eq!(of(&catalog, "2026-06-11", &tallies), ["2.1 lea 8 2400000"]);
    assert_eq!(of(&catalog, "2026-06-12", &tallies), [""; 0]);
}

#[test]
fn the_place_of_a_rule_is_that_in_its_own_terms_whatever_stands_above() {
    // From noon on the partner has a rule of its own for orders: all others move down by one.
    let lea = (
        "lea",
        "state = \"approved\", terms = [{ valid_from = 2026-06-10T12:00:00Z, commission = [{ percent = \"5\" }] }]",
    );
    let rules =
        r#"[{ commission = [{ per_click = "0.10" }, { per_thousand_impressions = "2.00" }] }]"#;
    let catalog = world(rules, &[lea]);
    let tallies = [
        clicks("2026-06-10T11:59:00Z", 1),
        clicks("2026-06-10T12:00:00Z", 2),
        touched(TouchKind::Impression, "2026-06-10T11:59:00Z", 500, &[]),
        touched(TouchKind::Impression, "2026-06-10T12:00:00Z", 499, &[]),
    ];
    assert_eq!(of(&catalog, "2026-06-10", &tallies), ["1.1 lea 3 300000", "1.2 lea 999 1998000"]);
}

#[test]
fn who_is_approved_at_the_time_is_paid() {
    let lea = (
        "lea",
        r#"state = [
          { value = "approved", valid_from = 2026-03-10T12:00:00Z },
          { value = "ended", mode = "freeze", valid_from = 2026-06-10T12:00:00Z },
        ]"#,
    );
    let rules = r#"[{ commission = [{ per_click = "0.10" }, { per_month = "50.00" }] }]"#;
    let catalog = world(rules, &[lea]);
    let spring = [clicks("2026-03-10T11:59:00Z", 1), clicks("2026-03-10T12:00:00Z", 2)];
    assert_eq!(of(&catalog, "2026-03-10", &spring), ["1.1 lea 2 200000"]);
    let summer = [clicks("2026-06-10T11:59:00Z", 4), clicks("2026-06-10T12:00:00Z", 8)];
    assert_eq!(of(&catalog, "2026-06-10", &summer), ["1.1 lea 4 400000"]);
    assert_eq!(of(&catalog, "2026-03-01", &[]), [""; 0]);
    assert_eq!(of(&catalog, "2026-04-01", &[]), ["1.2 lea 1 50000000"]);
    assert_eq!(of(&catalog, "2026-06-01", &[]), ["1.2 lea 1 50000000"]);
    assert_eq!(of(&catalog, "2026-07-01", &[]), [""; 0]);
}

#[test]
fn flags_that_the_terms_exclude_are_not_paid_and_others_are() {
    let rules = r#"[{ excluded_flags = ["bot_ua"], commission = [{ per_click = "0.10" }] }]"#;
    let catalog = world(rules, &[LEA]);
    let click =
        |count, flags: &[Flag]| touched(TouchKind::Click, "2026-06-10T12:00:00Z", count, flags);
    let tallies = [
        click(1, &[Flag::BotUa]),
        click(2, &[Flag::Datacenter]),
        click(4, &[Flag::ConsentDenied]),
        click(8, &[Flag::BotUa, Flag::Gpc]),
    ];
    assert_eq!(of(&catalog, "2026-06-10", &tallies), ["1.1 lea 6 600000"]);
}

#[test]
fn a_program_that_only_observes_pays_nothing() {
    let rules = r#"[{ commission = [{ per_click = "0.10" }, { per_day = "1.00" }] }]"#;
    let text =
        "mode = [{ value = \"observe\" }, { value = \"live\", valid_from = 2026-06-10T12:00:00Z }]";
    let world = |mode: &str| {
        let plain = format!(
            "[program.shop]\ntitle = \"Shop\"\nhome = \"https://shop.example/\"\nsites = [\"https://shop.example\"]\n\
             time_zone = \"Europe/Paris\"\ncurrency = \"EUR\"\n{mode}\nterms = {rules}\n\
             [partner.lea]\ntitle = \"l\"\nkind = \"content\"\nprogram.shop = {{ state = \"approved\" }}\n"
        );
        snapshot_of(&plain, Format::Toml, at(MADE)).unwrap()
    };
    let catalog = world(text);
    let tallies = [clicks("2026-06-10T11:59:00Z", 1), clicks("2026-06-10T12:00:00Z", 2)];
    assert_eq!(of(&catalog, "2026-06-10", &tallies), ["1.1 lea 2 200000"]);
    assert_eq!(of(&catalog, "2026-06-11", &[]), ["1.2 lea 1 1000000"]);
}

#[test]
fn thousands_of_impressions_are_cut_to_whole_micros_once_a_day() {
    let rules = r#"[{ commission = [{ per_thousand_impressions = "0.001001" }] }]"#;
    let catalog = world(rules, &[LEA]);
    let of_count = |counts: &[u64]| {
        let tallies: Vec<_> = counts
            .iter()
            .map(|count| touched(TouchKind::Impression, "2026-06-10T12:00:00Z", *count, &[]))
            .collect();
        of(&catalog, "2026-06-10", &tallies)
    };
    assert_eq!(of_count(&[999]), ["1.1 lea 999 999"]); // 999.999
    assert_eq!(of_count(&[500, 500]), ["1.1 lea 1000 1001"]);
    assert_eq!(of_count(&[1]), ["1.1 lea 1 1"]);
}

#[test]
fn a_catalog_without_such_rules_has_no_touches_read() {
    let none = world(r#"[{ commission = [{ percent = "5" }, { per_month = "5.00" }] }]"#, &[LEA]);
    assert!(scopes(&none).is_empty());
    let lea = (
        "lea",
        "state = \"approved\", terms = [{ valid_from = 2026-06-10T12:00:00Z, commission = [{ per_click = \"5\" }] }]",
    );
    let one = scopes(&world("[{ }]", &[lea]));
    let expected = (("shop".parse().unwrap(), TouchKind::Click), at("2026-06-10T12:00:00Z"));
    assert_eq!(one.into_iter().collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_transfer_leads_from_one_amount_to_another_and_its_id_says_which() {
    let catalog = world(r#"[{ commission = [{ per_click = "0.10" }] }]"#, &[LEA]);
    let zone = Zone::named("Europe/Paris");
    let day: Day = "2026-06-10".parse().unwrap();
    let tally = clicks("2026-06-10T12:00:00Z", 1);
    let earned = earned(&catalog, catalog.program("shop").unwrap(), (&zone, day), [tally]);
    let (key, one) = earned.first_key_value().unwrap();
    let of = |number, before, after| {
        let pay = |earned| Pay { earned: Micros(earned), paid: Micros(0) };
        let moved =
            transfers(key, number, (pay(before), pay(after)), (one.currency, Purpose::Click));
        assert!(moved.len() < 2);
        moved.into_iter().next()
    };
    let up = of(1, 0, 5).unwrap();
    assert_eq!(
        (up.debit.to_string(), up.credit.to_string()),
        ("expense:shop".into(), "payable:lea".into())
    );
    let down = of(2, 5, 2).unwrap();
    assert_eq!((down.debit.to_string(), down.amount), ("payable:lea".into(), Micros(3)));
    assert_eq!(of(3, 2, 2), None);
    // There and back again is another change each time.
    assert_ne!(of(1, 0, 5).unwrap().id, of(3, 0, 5).unwrap().id);
    assert_eq!(of(1, 0, 5).unwrap().id, up.id);
    let line = line(key, one.amount, one.currency, false).unwrap();
    assert_eq!(line, "shop\tday:2026-06-10/program/shop/terms/1/1\tlea\tEUR\tlocked\t0\t100000\t");
}
