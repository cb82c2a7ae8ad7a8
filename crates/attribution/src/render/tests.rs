//! What each reader sees, and what none of them may.

use expect_test::{Expect, expect};

use super::{Language, Reader, render, utc_day};
use crate::build::World;
use crate::random::script;

#[expect(clippy::needless_pass_by_value, reason = "an expectation is written where it is used")]
fn check(script: &str, reader: Reader, expected: Expect) {
    let world = World::read(script);
    expected.assert_eq(&render(&world.decisions()[0], &reader, Language::English, &utc_day));
}

fn partner(name: &str) -> Reader {
    Reader::Partner(name.parse().unwrap())
}

const JOURNEY: &str = "lookback 3d; click anna @0d; view bert @4d; click carl @4d12h lag=8d; \
                       click anna#2 @5d; click bert#2 @5d6h; own search @7d; \
                       order @6d amount=74920000 channel=web";

#[test]
fn a_manager_sees_every_touch_with_its_reason() {
    check(
        JOURNEY,
        Reader::Manager,
        expect![[r#"
            Order o (shop, sale) of 2026-11-09T00:00:00.000Z
            74.92 EUR, credited to bert (ATTRIBUTED)
            Reports: 1
              2026-11-09T00:00:00.000Z by server call: 10.00 EUR, counts (0 ok)
            Channel "web" is not mapped: every touch counts
            Touches, the newest first: 6
              2026-11-10T00:00:00.000Z click of own channel, channel search, link link
                AFTER_CONVERSION 205 click_after_order: Your click of 2026-11-10T00:00:00.000Z came after the order of 2026-11-09T00:00:00.000Z.
                1 d after the order, lookback window 3 d by the program's terms (program/shop/terms/1)
              2026-11-08T06:00:00.000Z click of bert, link link
                CREDITED 0 ok: Credited with 74.92 EUR, 18 h before the order.
                18 h before the order, lookback window 3 d by the program's terms (program/shop/terms/1)
              2026-11-08T00:00:00.000Z click of anna, link link
                NOT_SELECTED 404 later_touch_won: Your click of 2026-11-08T00:00:00.000Z was valid; a later eligible touch of 2026-11-08 was credited.
                1 d before the order, lookback window 3 d by the program's terms (program/shop/terms/1)
              2026-11-07T12:00:00.000Z click of carl, link link
                LATE 412 late_event: The event reached us 8 d after it happened; this program allows 7 d.
                1 d 12 h before the order, lookback window 3 d by the program's terms (program/shop/terms/1)
              2026-11-07T00:00:00.000Z impression of bert, link link
                OUT_OF_WINDOW 401 window_expired: Your impression of 2026-11-07T00:00:00.000Z was 2 d before the order; your lookback window is 1 d.
                2 d before the order, lookback window 1 d by the program's terms (program/shop/terms/1)
              2026-11-03T00:00:00.000Z click of anna, link link
                OUT_OF_WINDOW 401 window_expired: Your click of 2026-11-03T00:00:00.000Z was 6 d before the order; your lookback window is 3 d.
                6 d before the order, lookback window 3 d by the program's terms (program/shop/terms/1)
            Note 422: The order's channel is not mapped by this program; every touch counts.
            Terms in force
              program/shop/terms/1
            Version 1.1.6 (rules, reports, events known)
        "#]],
    );
}

#[test]
fn ops_see_what_was_read() {
    check(
        JOURNEY,
        Reader::Ops,
        expect![[r#"
            Order o (shop, sale) of 2026-11-09T00:00:00.000Z
            74.92 EUR, credited to bert (ATTRIBUTED)
            Reports: 1
              2026-11-09T00:00:00.000Z by server call: 10.00 EUR, counts (0 ok)
            Channel "web" is not mapped: every touch counts
            Touches, the newest first: 6
              2026-11-10T00:00:00.000Z click of own channel, channel search, link link
                AFTER_CONVERSION 205 click_after_order: Your click of 2026-11-10T00:00:00.000Z came after the order of 2026-11-09T00:00:00.000Z.
                1 d after the order, lookback window 3 d by the program's terms (program/shop/terms/1)
                01a1c2c1-2400-7000-8000-001800000001, reached by shared id, consent granted, step 1
              2026-11-08T06:00:00.000Z click of bert, link link
                CREDITED 0 ok: Credited with 74.92 EUR, 18 h before the order.
                18 h before the order, lookback window 3 d by the program's terms (program/shop/terms/1)
                01a1b9be-0300-7000-8000-001400000001, reached by shared id, consent granted, step 11
              2026-11-08T00:00:00.000Z click of anna, link link
                NOT_SELECTED 404 later_touch_won: Your click of 2026-11-08T00:00:00.000Z was valid; a later eligible touch of 2026-11-08 was credited.
                1 d before the order, lookback window 3 d by the program's terms (program/shop/terms/1)
                01a1b874-6c00-7000-8000-001000000001, reached by shared id, consent granted, step 11
              2026-11-07T12:00:00.000Z click of carl, link link
                LATE 412 late_event: The event reached us 8 d after it happened; this program allows 7 d.
                1 d 12 h before the order, lookback window 3 d by the program's terms (program/shop/terms/1)
                01a1df14-1e00-7000-8000-000c00000001, reached by shared id, consent granted, step 1
              2026-11-07T00:00:00.000Z impression of bert, link link
                OUT_OF_WINDOW 401 window_expired: Your impression of 2026-11-07T00:00:00.000Z was 2 d before the order; your lookback window is 1 d.
                2 d before the order, lookback window 1 d by the program's terms (program/shop/terms/1)
                01a1b34e-1000-7000-8000-000800000001, reached by shared id, consent granted, step 1
              2026-11-03T00:00:00.000Z click of anna, link link
                OUT_OF_WINDOW 401 window_expired: Your click of 2026-11-03T00:00:00.000Z was 6 d before the order; your lookback window is 3 d.
                6 d before the order, lookback window 3 d by the program's terms (program/shop/terms/1)
                01a19eb4-a000-7000-8000-000400000001, reached by shared id, consent granted, step 1
            Note 422: The order's channel is not mapped by this program; every touch counts.
            Terms in force
              program/shop/terms/1
            Version 1.1.6 (rules, reports, events known)
            Ids: v:eAAAAAAAAAAAAAAA
            Inputs e619ba53e6e706992fa6733b873e6afb
            Terms program/shop/terms/1 d909513ad831ecd04b8d167dd7fa1955
        "#]],
    );
}

#[test]
fn a_partner_sees_own_touches_in_whole_sentences() {
    check(
        JOURNEY,
        partner("anna"),
        expect![[r#"
        Order o (shop, sale) of 2026-11-09T00:00:00.000Z
        Not credited to you.
          2026-11-08T00:00:00.000Z click, link link
            NOT_SELECTED 404 later_touch_won: Your click of 2026-11-08T00:00:00.000Z was valid; a later eligible touch of 2026-11-08 was credited.
          2026-11-03T00:00:00.000Z click, link link
            OUT_OF_WINDOW 401 window_expired: Your click of 2026-11-03T00:00:00.000Z was 6 d before the order; your lookback window is 3 d.
    "#]],
    );
    check(
        JOURNEY,
        partner("bert"),
        expect![[r#"
        Order o (shop, sale) of 2026-11-09T00:00:00.000Z
        Credited to you: 74.92 EUR.
          2026-11-08T06:00:00.000Z click, link link
            CREDITED 0 ok: Credited with 74.92 EUR, 18 h before the order.
          2026-11-07T00:00:00.000Z impression, link link
            OUT_OF_WINDOW 401 window_expired: Your impression of 2026-11-07T00:00:00.000Z was 2 d before the order; your lookback window is 1 d.
    "#]],
    );
    check(
        JOURNEY,
        partner("carl"),
        expect![[r#"
        Order o (shop, sale) of 2026-11-09T00:00:00.000Z
        Not credited to you.
          2026-11-07T12:00:00.000Z click, link link
            LATE 412 late_event: The event reached us 8 d after it happened; this program allows 7 d.
    "#]],
    );
    check(
        JOURNEY,
        partner("dora"),
        expect![[r#"
        Order o (shop, sale) of 2026-11-09T00:00:00.000Z
        Not credited to you.
        No click or code of yours was found for this order.
    "#]],
    );
}

#[test]
fn what_an_own_channel_takes_is_said() {
    let script = "terms channel_map = { ads = \"none\" }; click anna @0d; order @1d channel=ads";
    check(
        script,
        partner("anna"),
        expect![[r#"
        Order o (shop, sale) of 2026-11-04T00:00:00.000Z
        Not credited to you.
          2026-11-03T00:00:00.000Z click, link link
            CHANNEL_EXCLUDED 408 paid_channel_won: The order was credited to the merchant's own channel ads.
    "#]],
    );
    check(
        "click anna @0d; own search @1h; order @1d",
        Reader::Manager,
        expect![[r#"
        Order o (shop, sale) of 2026-11-04T00:00:00.000Z
        10.00 EUR, of the merchant's own channel search (LOST_TO_CHANNEL)
        Reports: 1
          2026-11-04T00:00:00.000Z by server call: 10.00 EUR, counts (0 ok)
        Touches, the newest first: 2
          2026-11-03T01:00:00.000Z click of own channel, channel search, link link
            CREDITED 0 ok: Credited with 10.00 EUR, 23 h before the order.
            23 h before the order, lookback window 30 d by the program's terms (program/shop/terms/1)
          2026-11-03T00:00:00.000Z click of anna, link link
            NOT_SELECTED 404 later_touch_won: Your click of 2026-11-03T00:00:00.000Z was valid; a later eligible touch of 2026-11-03 was credited.
            1 d before the order, lookback window 30 d by the program's terms (program/shop/terms/1)
        Terms in force
          program/shop/terms/1
        Version 1.1.2 (rules, reports, events known)
    "#]],
    );
}

#[test]
fn a_partners_trace_names_nobody_else_and_no_person() {
    const PARTNERS: [&str; 4] = ["alphablog", "betacash", "gammacode", "deltamail"];
    for seed in 0..400 {
        for decision in World::read(&script(seed)).decisions() {
            let languages = [Language::English, Language::French];
            for (reader, words) in PARTNERS.into_iter().zip(languages.into_iter().cycle()) {
                let text = render(&decision, &partner(reader), words, &utc_day);
                for other in PARTNERS.iter().filter(|name| **name != reader) {
                    assert!(!text.contains(other), "seed {seed}: {text}");
                }
                let identity = &decision.trace.identity;
                for id in identity.ids.iter().chain(&identity.merged) {
                    assert!(!text.contains(&id.to_string()), "seed {seed}: {text}");
                }
                for candidate in &decision.trace.candidates {
                    let shown = text.contains(&candidate.touched_at.to_string());
                    let own = candidate.partner.as_ref().is_some_and(|p| p.as_str() == reader);
                    let same = |at| at == candidate.touched_at;
                    let elsewhere = same(decision.converted_at)
                        || decision.trace.candidates.iter().any(|c| {
                            same(c.touched_at)
                                && c.partner.as_ref().is_some_and(|p| p.as_str() == reader)
                        });
                    assert!(!shown || own || elsewhere, "seed {seed}: {text}");
                }
            }
        }
    }
}

#[test]
fn who_lost_reads_the_day_of_the_winning_touch_and_not_its_minute() {
    let world = World::read(JOURNEY);
    let decision = &world.decisions()[0];
    let day = |at: event::Millis| format!("day {}", at.0 / event::time::DAY_MS);
    for (words, sentence) in [
        (Language::English, "a later eligible touch of day 20765 was credited."),
        (Language::French, "un contact éligible plus récent, du day 20765, a été retenu."),
    ] {
        let anna = render(decision, &partner("anna"), words, &day);
        let winner = decision.credits[0].touched_at;
        assert!(anna.contains(sentence) && !anna.contains(&winner.rfc3339()), "{anna}");
        // The one who won reads the own minute, as the manager does.
        for reader in [partner("bert"), Reader::Manager] {
            assert!(render(decision, &reader, words, &day).contains(&winner.rfc3339()));
        }
    }
}

#[test]
fn french_has_a_line_for_each_english_one() {
    for seed in 0..100 {
        for decision in World::read(&script(seed)).decisions() {
            for reader in [Reader::Manager, Reader::Ops, partner("alphablog")] {
                let [english, french] = [Language::English, Language::French]
                    .map(|words| render(&decision, &reader, words, &utc_day));
                assert_eq!(
                    english.lines().count(),
                    french.lines().count(),
                    "seed {seed}: {french}"
                );
            }
        }
    }
}
