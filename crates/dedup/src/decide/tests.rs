//! Tables of the rules, both sides of each boundary side by side; then what holds for any set.

#![expect(clippy::let_underscore_must_use, reason = "writing to a String cannot fail")]

use std::cell::Cell;
use std::fmt::Write as _;

use catalog::ProgramTerms;
use catalog::terms::DedupConflict;
use event::Consent;
use event::body::conversion::{ClickSource, ClickVerdict, Source, Trust};
use event::body::record::OrderRecord;
use expect_test::{Expect, expect};

use super::{Rules, decide};
use crate::build::{click_id, customer, order, pixel, server, visitor};
use crate::member::{LaterVerdict, Member, Members, Row};

pub(crate) mod any_set;

const MIN: i64 = 60_000;
const DAY: i64 = 86_400_000;
const AMEND: Rules = Rules { conflict: DedupConflict::Amend, ..Rules::BUILT_IN };

pub(super) fn record(rules: Rules, reports: &[Member]) -> OrderRecord {
    let members: Members = reports.iter().cloned().map(Member::row).collect();
    decide(&order(), &members.considered().at_close(|_| rules).unwrap()).unwrap()
}

/// `#2 CANONICAL 1 EUR · #1 DUP_SAME · click 3 · ids … · notes …`; `!` marks a report whose evidence does not count.
fn shown(record: &OrderRecord) -> String {
    let mut out = format!("{} = {}", record.members, record.amount.0 / 1_000_000);
    for m in &record.listed {
        let verdict = serde_json::to_value(m.verdict).unwrap();
        let code = m.code.number();
        let _ = write!(out, " · #{} {} {code}", m.id.sequence().0, verdict.as_str().unwrap());
        out.push_str(if m.items_differ { " ITEMS_DIFFER" } else { "" });
        out.push_str(if m.evidence_counts { "" } else { " !" });
    }
    for (name, click) in [("click", &record.click), ("exempt", &record.exempt_click)] {
        if let Some(click) = click {
            let _ = write!(out, " · {name} {}", click.id.sequence().0);
        }
    }
    if !record.ids.is_empty() {
        let _ = write!(out, " · {} ids", record.ids.len());
    }
    if !record.merges.is_empty() {
        let _ = write!(out, " · {} merges", record.merges.len());
    }
    for coupon in &record.coupons {
        let _ = write!(out, " · coupon {coupon}");
    }
    if let Some(channel) = &record.channel {
        let _ = write!(out, " · channel {channel}");
    }
    if record.consent != Consent::Unknown {
        let _ = write!(out, " · {}", record.consent.as_str());
    }
    for note in &record.notes {
        let _ = write!(out, " · note {}", note.number());
    }
    out
}

#[expect(clippy::needless_pass_by_value, reason = "tables read better without references")]
fn check(rules: Rules, reports: &[Member], expected: Expect) {
    expected.assert_eq(&shown(&record(rules, reports)));
}

#[test]
fn the_built_in_rules_are_those_of_the_default_terms() {
    assert_eq!(Rules::of(&ProgramTerms::default()), Rules::BUILT_IN);
}

#[test]
fn pixel_and_server_of_one_order_are_one_record_and_the_server_is_canonical() {
    check(
        Rules::BUILT_IN,
        &[pixel(1, 0).ids(&[visitor(1)]), server(2, 1_500)],
        expect!["2 = 1 · #2 CANONICAL 0 · #1 DUP_SAME 301 · 1 ids"],
    );
}

#[test]
fn a_report_exactly_as_late_as_allowed_is_canonical() {
    let late = server(1, 8 * DAY).late_by(7 * DAY);
    check(
        Rules::BUILT_IN,
        &[late, pixel(2, DAY)],
        expect!["2 = 1 · #1 CANONICAL 0 · #2 DUP_SAME 301 !"],
    );
}

#[test]
fn a_report_one_millisecond_later_is_not() {
    let late = server(1, 8 * DAY).late_by(7 * DAY + 1);
    check(
        Rules::BUILT_IN,
        &[late, pixel(2, DAY)],
        expect!["2 = 1 · #2 CANONICAL 0 · #1 DUP_SAME 301"],
    );
}

#[test]
fn without_an_admissible_report_the_one_received_first_is_canonical() {
    let (a, b) = (server(1, 9 * DAY).late_by(9 * DAY), pixel(2, 8 * DAY).late_by(8 * DAY));
    check(Rules::BUILT_IN, &[a, b], expect!["2 = 1 · #2 CANONICAL 0 · #1 DUP_SAME 301"]);
}

#[test]
fn sources_rank_before_times_times_before_ids() {
    let tag = |n, ms| pixel(n, ms).by(Source::Tag, Trust::Page);
    let import = pixel(1, 0).by(Source::Import, Trust::Signed);
    check(
        Rules::BUILT_IN,
        &[import.clone(), pixel(2, 1), tag(3, 2), server(4, 3)],
        expect!["4 = 1 · #4 CANONICAL 0 · #3 DUP_SAME 301 · #2 DUP_SAME 301 · #1 DUP_SAME 301"],
    );
    check(
        Rules::BUILT_IN,
        &[tag(1, 5), tag(2, 4)],
        expect!["2 = 1 · #2 CANONICAL 0 · #1 DUP_SAME 301 · note 110"],
    );
    check(
        Rules::BUILT_IN,
        &[tag(2, 5), tag(1, 5)],
        expect!["2 = 1 · #1 CANONICAL 0 · #2 DUP_SAME 301 · note 110"],
    );
    let import_first = Rules { ranks: [3, 1, 2, 0], ..Rules::BUILT_IN };
    check(
        import_first,
        &[server(2, 1), import],
        expect!["2 = 1 · #1 CANONICAL 0 · #2 DUP_SAME 301"],
    );
}

#[test]
fn an_unsigned_server_call_ranks_as_the_tag() {
    let unsigned = pixel(1, 0).by(Source::S2s, Trust::Page);
    let tag = pixel(2, -1).by(Source::Tag, Trust::Page);
    check(
        Rules::BUILT_IN,
        &[unsigned.clone(), tag],
        expect!["2 = 1 · #2 CANONICAL 0 · #1 DUP_SAME 301 · note 110"],
    );
    check(
        Rules::BUILT_IN,
        &[unsigned, pixel(3, 5).by(Source::S2s, Trust::Token)],
        expect!["2 = 1 · #3 CANONICAL 0 · #1 DUP_SAME 301"],
    );
}

#[test]
fn the_terms_are_those_at_the_time_of_the_report_that_the_built_in_rules_choose() {
    let members: Members = [server(1, 500), pixel(2, 100)].into_iter().map(Member::row).collect();
    let asked = Cell::new(None);
    let known = members.considered().at_close(|time| {
        asked.set(Some(time));
        Rules::BUILT_IN
    });
    let record = decide(&order(), &known.unwrap()).unwrap();
    assert_eq!(asked.get(), Some(server(1, 500).occurred_at));
    assert_eq!(asked.get(), Some(record.converted_at));
}

#[test]
fn a_report_counts_until_the_order_is_closed_and_not_later_in_whatever_order_they_come() {
    // Lock after 30 days, and 7 days of lateness.
    let in_time = expect!["2 = 9 · #2 CANONICAL 0 · #1 DUP_CONFLICT 303 · 1 ids"];
    let too_late = expect!["2 = 1 · #1 CANONICAL 0 · #2 COUNTED 301 !"];
    let rules = Rules { ranks: [3, 2, 0, 1], ..AMEND };
    for (ms, expected) in [(37 * DAY, in_time), (37 * DAY + 1, too_late)] {
        let late = pixel(2, ms).amount(9).ids(&[visitor(1)]);
        for reports in [[server(1, 0), late.clone()], [late, server(1, 0)]] {
            expected.assert_eq(&shown(&record(rules, &reports)));
        }
    }
    // The server's report, which came on the twentieth day, is canonical and so moves the close.
    for (ms, expected) in [
        (57 * DAY, expect!["3 = 1 · #2 CANONICAL 0 · #3 DUP_SAME 301 · #1 DUP_SAME 301 !"]),
        (57 * DAY + 1, expect!["3 = 1 · #2 CANONICAL 0 · #1 DUP_SAME 301 ! · #3 COUNTED 301 !"]),
    ] {
        let reports = [server(3, ms), pixel(1, 0), server(2, 20 * DAY)];
        expected.assert_eq(&shown(&record(Rules::BUILT_IN, &reports)));
    }
}

#[test]
fn page_evidence_counts_up_to_the_evidence_window_on_both_sides_and_not_beyond() {
    for (ms, counts) in
        [(30 * MIN, true), (30 * MIN + 1, false), (-30 * MIN, true), (-30 * MIN - 1, false)]
    {
        let page = pixel(2, ms).ids(&[visitor(1)]).click(9).coupon("TEN").channel("seo");
        let page = page.consent(Consent::Denied);
        let got = shown(&record(Rules::BUILT_IN, &[server(1, 0), page]));
        let with = "2 = 1 · #1 CANONICAL 0 · #2 DUP_SAME 301 · click 9 · 1 ids · coupon TEN · channel seo · denied";
        let without = "2 = 1 · #1 CANONICAL 0 · #2 DUP_SAME 301 !";
        assert_eq!(got, if counts { with } else { without }, "{ms}");
    }
}

#[test]
fn a_credentialed_report_shuts_pages_out_of_the_kinds_it_brings_and_of_no_other() {
    let page = || pixel(2, 1).ids(&[visitor(1)]).click(9).coupon("TEN");
    let with = |server: Member| shown(&record(Rules::BUILT_IN, &[server, page()]));
    let base = "2 = 1 · #1 CANONICAL 0 · #2 DUP_SAME 301";
    assert_eq!(with(server(1, 0)), format!("{base} · click 9 · 1 ids · coupon TEN"));
    assert_eq!(with(server(1, 0).click(8)), format!("{base} · click 8 · 1 ids · coupon TEN"));
    assert_eq!(
        with(server(1, 0).ids(&[customer(1), customer(2)])),
        format!("{base} · click 9 · 2 ids · 1 merges · coupon TEN")
    );
    assert_eq!(with(server(1, 0).coupon("VIP")), format!("{base} · click 9 · 1 ids · coupon VIP"));
    let all = server(1, 0).click(8).ids(&[customer(1)]).coupon("VIP");
    assert_eq!(with(all), format!("{base} ! · click 8 · 1 ids · coupon VIP"));
}

#[test]
fn a_refused_click_id_of_the_server_shuts_nobody_out() {
    let forged = click_id(8, ClickSource::Parameter, ClickVerdict::BadMac);
    check(
        Rules::BUILT_IN,
        &[server(1, 0).click_of(forged), pixel(2, 1).click(9)],
        expect!["2 = 1 · #1 CANONICAL 0 · #2 DUP_SAME 301 · click 9 · note 202"],
    );
}

#[test]
fn credentialed_evidence_is_a_union_however_late() {
    check(
        Rules::BUILT_IN,
        &[
            server(1, 0).ids(&[customer(1)]).coupon("A"),
            server(2, 20 * DAY).late_by(20 * DAY).ids(&[customer(2)]).coupon("B").click(3),
        ],
        expect!["2 = 1 · #1 CANONICAL 0 · #2 DUP_SAME 301 · click 3 · 2 ids · coupon A · coupon B"],
    );
}

#[test]
fn the_click_is_the_first_that_verifies_canonical_first() {
    let forged = click_id(5, ClickSource::Parameter, ClickVerdict::UnknownKey);
    let cookie = click_id(6, ClickSource::Cookie, ClickVerdict::Valid);
    check(
        Rules::BUILT_IN,
        &[server(1, 0).click_of(forged).click_of(cookie), server(2, -9).click(7).late_by(8 * DAY)],
        expect!["2 = 1 · #1 CANONICAL 0 · #2 DUP_SAME 301 · click 6 · note 203"],
    );
}

#[test]
fn the_cookie_of_an_exempt_journey_is_kept_apart() {
    let exempt = click_id(6, ClickSource::ExemptCookie, ClickVerdict::Valid);
    check(
        Rules::BUILT_IN,
        &[pixel(1, 0).click_of(exempt.clone())],
        expect!["1 = 1 · #1 CANONICAL 0 · exempt 6 · note 110"],
    );
    check(
        Rules::BUILT_IN,
        &[pixel(1, 0).click(5).click_of(exempt)],
        expect!["1 = 1 · #1 CANONICAL 0 · click 5 · exempt 6 · note 110"],
    );
}

#[test]
fn page_reports_with_different_clicks_are_held() {
    check(
        Rules::BUILT_IN,
        &[pixel(1, 0).click(5), pixel(2, 1).click(6)],
        expect!["2 = 1 · #1 CANONICAL 0 · #2 DUP_SAME 301 · click 5 · note 110 · note 609"],
    );
}

#[test]
fn page_reports_that_share_a_click_are_not() {
    let both = pixel(2, 1).click_of(click_id(5, ClickSource::Cookie, ClickVerdict::Valid)).click(6);
    check(
        Rules::BUILT_IN,
        &[pixel(1, 0).click(5), both],
        expect!["2 = 1 · #1 CANONICAL 0 · #2 DUP_SAME 301 · click 5 · note 110"],
    );
}

#[test]
fn a_different_click_beyond_the_window_or_beside_the_servers_click_holds_nothing() {
    check(
        Rules::BUILT_IN,
        &[pixel(1, 0).click(5), pixel(2, 30 * MIN + 1).click(6)],
        expect!["2 = 1 · #1 CANONICAL 0 · #2 DUP_SAME 301 ! · click 5 · note 110"],
    );
    check(
        Rules::BUILT_IN,
        &[server(3, 0).click(4), pixel(1, 0).click(5), pixel(2, 1).click(6)],
        expect!["3 = 1 · #3 CANONICAL 0 · #1 DUP_SAME 301 ! · #2 DUP_SAME 301 ! · click 4"],
    );
}

#[test]
fn refused_click_ids_leave_their_codes() {
    let verdicts = [
        ClickVerdict::Malformed,
        ClickVerdict::UnknownKey,
        ClickVerdict::BadMac,
        ClickVerdict::OtherProgram,
        ClickVerdict::FromFuture,
    ];
    let refused = verdicts.map(|verdict| click_id(1, ClickSource::Parameter, verdict));
    let report = refused.into_iter().fold(server(1, 0), Member::click_of);
    check(
        Rules::BUILT_IN,
        &[report],
        expect!["1 = 1 · #1 CANONICAL 0 · note 202 · note 203 · note 204 · note 206"],
    );
}

#[test]
fn a_later_verdict_makes_a_click_id_valid_and_the_record_newer() {
    let unknown = click_id(5, ClickSource::Parameter, ClickVerdict::UnknownKey);
    let report = server(1, 0).click_of(unknown.clone());
    let verdict = |n, conversion, verdict| {
        let click = click_id(5, ClickSource::Parameter, verdict);
        Row::Later(Box::new(LaterVerdict { id: crate::build::event(99, n), conversion, click }))
    };
    let decided = |rows: Vec<Row>| {
        let members: Members = rows.into_iter().collect();
        let known = members.considered().at_close(|_| Rules::BUILT_IN).unwrap();
        shown(&decide(&order(), &known).unwrap())
    };
    let id = report.id;
    let row = report.row();
    let found = verdict(7, id, ClickVerdict::Valid);
    let still = verdict(6, id, ClickVerdict::BadMac);
    assert_eq!(decided(vec![row.clone(), still.clone()]), "2 = 1 · #1 CANONICAL 0 · note 203");
    assert_eq!(decided(vec![found.clone(), row.clone()]), "2 = 1 · #1 CANONICAL 0 · click 5");
    assert_eq!(decided(vec![still, found, row.clone()]), "3 = 1 · #1 CANONICAL 0 · click 5");
    let of_another = verdict(8, pixel(9, 9).id, ClickVerdict::Valid);
    assert_eq!(decided(vec![row, of_another]), "2 = 1 · #1 CANONICAL 0 · note 203");
}

#[test]
fn another_amount_or_currency_is_a_conflict_other_lines_are_not() {
    let mut dollars = server(3, 2);
    dollars.conversion.currency = "USD".parse().ok();
    check(
        Rules::BUILT_IN,
        &[server(1, 0), server(2, 1).amount(2), dollars, server(4, 3).item("x"), server(5, 4)],
        expect![
            "5 = 1 · #1 CANONICAL 0 · #2 DUP_CONFLICT 303 · #3 DUP_CONFLICT 303 · #4 DUP_SAME 301 ITEMS_DIFFER · #5 DUP_SAME 301"
        ],
    );
}

#[test]
fn amend_takes_the_highest_revision_then_the_newest_whatever_its_lag() {
    check(
        AMEND,
        &[server(1, 0), server(2, 1).amount(2), server(3, 20 * DAY).late_by(20 * DAY).amount(3)],
        expect!["3 = 3 · #1 CANONICAL 0 · #3 AMENDS 302 · #2 DUP_CONFLICT 303"],
    );
    check(
        AMEND,
        &[server(1, 0), server(2, 1).amount(2).revision(1), server(3, 2).amount(3)],
        expect!["3 = 2 · #1 CANONICAL 0 · #2 AMENDS 302 · #3 DUP_CONFLICT 303"],
    );
    check(
        AMEND,
        &[server(1, 0), server(2, 1).item("x"), pixel(3, 2).amount(9)],
        expect!["3 = 1 · #1 CANONICAL 0 · #2 AMENDS 302 ITEMS_DIFFER · #3 DUP_CONFLICT 303"],
    );
}

#[test]
fn nothing_amends_after_the_lock() {
    let lock = AMEND.lock_after_ms;
    check(
        AMEND,
        &[server(1, 0), server(2, lock).amount(2)],
        expect!["2 = 2 · #1 CANONICAL 0 · #2 AMENDS 302"],
    );
    check(
        AMEND,
        &[server(1, 0), server(2, lock + 1).amount(2)],
        expect!["2 = 1 · #1 CANONICAL 0 · #2 DUP_CONFLICT 303"],
    );
    // Received late, locked late: not before `lateness` after the receipt of the canonical report.
    let soon = Rules { lock_after_ms: DAY, ..AMEND };
    check(
        soon,
        &[server(1, DAY).late_by(DAY), server(2, 8 * DAY).amount(2)],
        expect!["2 = 2 · #1 CANONICAL 0 · #2 AMENDS 302"],
    );
}

#[test]
fn where_the_end_of_the_month_locks_orders_it_ends_amending_too() {
    let text = "[program.shop]\ntitle = \"S\"\nhome = \"https://s.example/\"\nsites = [\"https://s.example\"]\n\
                time_zone = \"Europe/Paris\"\ncurrency = \"EUR\"\n\
                terms = [{ dedup_conflict = \"amend\", lock = { month_end_plus = 2 } }]\n";
    let catalog = catalog::snapshot_of(text, catalog::Format::Toml, event::Millis(0)).unwrap();
    let rules = |at: i64| Rules::at(catalog.program("shop").unwrap(), event::Millis(at));
    // 31 October 2026 in Paris, its last millisecond and the first of November; 2 November ends an hour later there.
    let november = 1_793_487_600_000;
    assert_eq!(rules(november - 1).lock_after_ms, 1 + 2 * DAY);
    assert_eq!(rules(november).lock_after_ms, 32 * DAY);
    assert_eq!(rules(november).conflict, DedupConflict::Amend);
    assert_eq!(Rules::BUILT_IN.lock_after_ms, 30 * DAY);
}

#[test]
fn amend_keeps_the_time_of_the_order() {
    let first = server(1, 0);
    let record = record(AMEND, &[first.clone(), server(2, DAY).amount(2)]);
    assert_eq!(record.converted_at, first.occurred_at);
}

#[test]
fn a_page_amends_a_page_but_never_a_credentialed_report() {
    let tag = |n, ms, trust| pixel(n, ms).by(Source::Tag, trust);
    check(
        AMEND,
        &[tag(1, 0, Trust::Page), tag(2, 1, Trust::Page).amount(2)],
        expect!["2 = 2 · #1 CANONICAL 0 · #2 AMENDS 302 · note 110"],
    );
    check(
        AMEND,
        &[tag(1, 0, Trust::Token), tag(2, 1, Trust::Page).amount(2).revision(9)],
        expect!["2 = 1 · #1 CANONICAL 0 · #2 DUP_CONFLICT 303"],
    );
    check(
        AMEND,
        &[server(1, 0), pixel(2, 1).by(Source::S2s, Trust::Page).amount(2).revision(9)],
        expect!["2 = 1 · #1 CANONICAL 0 · #2 DUP_CONFLICT 303"],
    );
}

#[test]
fn one_denial_that_counts_denies_the_order() {
    let said = |a, b| record(Rules::BUILT_IN, &[server(1, 0).consent(a), pixel(2, 1).consent(b)]);
    assert_eq!(said(Consent::Granted, Consent::Denied).consent, Consent::Denied);
    assert_eq!(said(Consent::Unknown, Consent::Granted).consent, Consent::Granted);
    assert_eq!(said(Consent::Granted, Consent::Unknown).consent, Consent::Granted);
}

#[test]
fn two_ids_of_a_credentialed_report_imply_a_merge_and_a_page_needs_one_beside_it() {
    let ids = [customer(1), visitor(1), visitor(2)];
    let merges = |reports: &[Member]| record(Rules::BUILT_IN, reports).merges;
    let [a, b] = merges(&[server(1, 0).late_by(5).ids(&ids)]).try_into().unwrap();
    assert_eq!((a.a, a.b, b.a, b.b), (visitor(1), visitor(2), visitor(1), customer(1)));
    assert_eq!(a.received_at.since(a.occurred_at), 5);

    let page = |ms| pixel(2, ms).ids(&ids);
    assert_eq!(merges(&[page(0)]).len(), 0);
    assert_eq!(merges(&[page(0), pixel(3, 1).ids(&ids)]).len(), 0);
    assert_eq!(merges(&[page(30 * MIN), server(1, 0)]).len(), 2);
    assert_eq!(merges(&[page(30 * MIN + 1), server(1, 0)]).len(), 0);
    // Whatever the terms say, which may become others by a further report.
    let terms = Rules { evidence_window_ms: 1, ..Rules::BUILT_IN };
    assert_eq!(record(terms, &[page(30 * MIN), server(1, 0)]).merges.len(), 2);
    // The credentialed report need not be the canonical one, nor without ids of its own.
    let import = pixel(3, 60 * MIN).by(Source::Import, Trust::Signed).ids(&[customer(3)]);
    assert_eq!(merges(&[page(30 * MIN), pixel(1, 0), import]).len(), 2);
}

#[test]
fn a_record_lists_64_reports_and_counts_all() {
    let flood = |n| -> Vec<Member> {
        (0..n).map(|i| pixel(i + 10, 1 + i64::try_from(i).unwrap()).ids(&[visitor(7)])).collect()
    };
    let with_server = |n| {
        let mut reports = flood(n);
        reports.push(server(1, 50).ids(&[customer(1)]).click(3));
        record(Rules::BUILT_IN, &reports)
    };
    let (few, some, many) = (with_server(63), with_server(64), with_server(10_000));
    assert_eq!((few.members, few.listed.len()), (64, 64));
    assert_eq!((some.members, some.listed.len()), (65, 64));
    assert_eq!((many.members, many.listed.len()), (10_001, 64));
    let outcome = |r: &OrderRecord| {
        (r.canonical, r.amount, r.click.clone(), r.ids.clone(), r.notes.clone(), r.merges.clone())
    };
    assert_eq!(outcome(&many), outcome(&few));
    assert_eq!(many.listed, some.listed);
    assert!(serde_json::to_vec(&many).unwrap().len() < 32 * 1024);
}
