//! What holds for any set of reports, with times on and beside every boundary.

use event::body::conversion::{ClickSource, ClickVerdict, Source, Trust};
use event::body::record::{MemberVerdict, OrderRecord};
use event::{Consent, Millis};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{AMEND, DAY, MIN, Rules};
use crate::build::{click_id, customer, order, pixel, visitor};
use crate::decide::decide;
use crate::member::{Member, Members, Row};

const TIMES: [i64; 11] = [
    0,
    1,
    30 * MIN - 1,
    30 * MIN,
    30 * MIN + 1,
    DAY,
    7 * DAY,
    7 * DAY + 1,
    37 * DAY,
    37 * DAY + 1,
    38 * DAY + 1,
];
const LAGS: [i64; 5] = [0, 1, 7 * DAY, 7 * DAY + 1, 9 * DAY];

/// A report of anything, without its number.
pub(crate) fn report() -> impl Strategy<Value = Member> {
    let sources = select(vec![
        (Source::S2s, Trust::Signed),
        (Source::S2s, Trust::Token),
        (Source::S2s, Trust::Page),
        (Source::Tag, Trust::Page),
        (Source::Pixel, Trust::Page),
        (Source::Pixel, Trust::Token),
        (Source::Import, Trust::Signed),
    ]);
    let ids = vec(select(vec![visitor(1), visitor(2), customer(1), customer(2)]), 0..4);
    let verdicts =
        select(vec![ClickVerdict::Valid, ClickVerdict::BadMac, ClickVerdict::UnknownKey]);
    let places =
        select(vec![ClickSource::Parameter, ClickSource::Cookie, ClickSource::ExemptCookie]);
    let clicks = vec((0..3_u64, places, verdicts), 0..3);
    let consent = select(vec![Consent::Unknown, Consent::Granted, Consent::Denied]);
    let times = (select(TIMES.to_vec()), select(LAGS.to_vec()));
    let values = (1..3_i64, proptest::option::of(0..3_u64), proptest::bool::ANY);
    let words = (proptest::option::of("[AB]"), proptest::option::of("[xy]"));
    (sources, times, values, ids, clicks, consent, words).prop_map(
        |((source, trust), (ms, lag), (amount, revision, item), ids, clicks, consent, words)| {
            let mut member = pixel(0, ms).late_by(lag).by(source, trust).amount(amount).ids(&ids);
            member.conversion.revision = revision;
            member = if item { member.item("x") } else { member };
            member = member.consent(consent);
            if let Some(coupon) = words.0 {
                member = member.coupon(&coupon);
            }
            if let Some(channel) = words.1 {
                member = member.channel(&channel);
            }
            clicks.into_iter().fold(member, |m, (n, place, v)| m.click_of(click_id(n, place, v)))
        },
    )
}

/// Reports with numbers, so that ids differ.
pub(crate) fn reports(most: usize) -> impl Strategy<Value = Vec<Member>> {
    vec(report(), 1..most).prop_map(|reports| {
        let numbered = reports.into_iter().zip(1..);
        numbered
            .map(|(mut member, n)| {
                let ms = member.received_at.0 - crate::build::T;
                member.id = crate::build::event(ms, n);
                member
            })
            .collect()
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    select(vec![
        Rules::BUILT_IN,
        AMEND,
        Rules { ranks: [2, 0, 1, 3], lateness_ms: 0, ..AMEND },
        Rules { ranks: [3, 2, 1, 0], evidence_window_ms: 0, ..Rules::BUILT_IN },
    ])
}

fn decided(rules: Rules, reports: impl IntoIterator<Item = Member>) -> OrderRecord {
    let members: Members = reports.into_iter().map(Member::row).collect();
    decide(&order(), &members.considered().at_close(|_| rules).unwrap()).unwrap()
}

fn bytes(record: &OrderRecord) -> String {
    serde_json::to_string(record).unwrap()
}

fn shuffled(seed: &[usize], reports: &[Member]) -> Vec<Member> {
    let mut keyed: Vec<_> =
        reports.iter().cloned().enumerate().map(|(i, m)| (seed[i % seed.len()], i, m)).collect();
    keyed.sort_by_key(|(key, i, _)| (*key, *i));
    keyed.into_iter().map(|(_, _, m)| m).collect()
}

proptest! {
    #[test]
    fn order_and_repetition_of_the_reports_do_not_matter(
        rules in rules(),
        reports in reports(12),
        seed in vec(0..100_usize, 1..13),
        again in vec(0..12_usize, 0..6),
    ) {
        let plain = decided(rules, reports.clone());
        let mut other = shuffled(&seed, &reports);
        other.extend(again.iter().filter_map(|i| reports.get(*i).cloned()));
        prop_assert_eq!(bytes(&plain), bytes(&decided(rules, other)));
    }

    #[test]
    fn a_set_grown_one_by_one_decides_as_if_it_had_come_at_once(
        rules in rules(),
        reports in reports(8),
    ) {
        let mut grown = Members::default();
        for n in 1..=reports.len() {
            let row = Row::Report(Box::new(reports[n - 1].clone()));
            prop_assert!(grown.insert(row.clone()));
            prop_assert!(!grown.insert(row));
            let known = grown.considered().at_close(|_| rules).unwrap();
            let record = decide(&order(), &known).unwrap();
            prop_assert_eq!(bytes(&record), bytes(&decided(rules, reports[..n].to_vec())));
            prop_assert_eq!(record.members, n as u64);
        }
    }

    #[test]
    fn an_inadmissible_report_changes_no_values_and_no_verdict_but_its_own(
        rules in rules(),
        reports in reports(8),
        late in report(),
    ) {
        let rules = Rules { conflict: catalog::terms::DedupConflict::Reject, ..rules };
        let mut late = late.late_by(7 * DAY + 1);
        late.id = crate::build::event(late.received_at.0 - crate::build::T, 999);
        prop_assume!(reports.iter().any(|m| rules.admits(m) && Rules::BUILT_IN.admits(m)));
        let before = decided(rules, reports.clone());
        let after = decided(rules, reports.iter().cloned().chain([late.clone()]));
        // What came too late for one of the sets may have come in time for the other.
        let in_time = |r: &OrderRecord| r.listed.iter().all(|m| m.verdict != MemberVerdict::Counted);
        prop_assume!(in_time(&before) && in_time(&after));
        let values = |r: &OrderRecord| (r.canonical, r.converted_at, r.amount, r.currency, r.items.clone());
        prop_assert_eq!(values(&before), values(&after));
        let verdicts = |r: &OrderRecord| -> Vec<_> {
            let others = r.listed.iter().filter(|m| m.id != late.id);
            others.map(|m| (m.id, m.verdict, m.code, m.items_differ)).collect()
        };
        prop_assert_eq!(verdicts(&before), verdicts(&after));
    }

    #[test]
    fn a_report_after_the_close_is_counted_and_changes_nothing_else(
        rules in rules(),
        reports in reports(8),
        mut late in report(),
    ) {
        let before = decided(rules, reports.clone());
        let ms = 90 * DAY;
        late.received_at = Millis(crate::build::T + ms);
        late.id = crate::build::event(ms, 999);
        let after = decided(rules, reports.into_iter().chain([late]));
        prop_assert_eq!(after.listed.last().map(|member| member.verdict), Some(MemberVerdict::Counted));
        let but_late = OrderRecord { members: before.members, listed: before.listed.clone(), ..after };
        prop_assert_eq!(bytes(&before), bytes(&but_late));
    }

    #[test]
    fn merges_once_implied_stay_implied(mut reports in reports(10)) {
        reports.sort_by_key(|report| report.received_at); // what comes first may close the order for others
        let before = decided(Rules::BUILT_IN, reports[..reports.len().div_ceil(2)].to_vec());
        let after = decided(Rules::BUILT_IN, reports);
        for merge in &before.merges {
            prop_assert!(after.merges.contains(merge));
        }
    }

    #[test]
    fn a_page_report_beside_a_server_with_all_evidence_changes_nothing_but_the_count(
        page in report(),
        amend in proptest::bool::ANY,
    ) {
        let rules = if amend { AMEND } else { Rules::BUILT_IN };
        let server = crate::build::server(1, DAY).click(50).coupon("VIP").channel("email");
        let server = server.ids(&[customer(9)]).consent(Consent::Granted);
        let source = page.conversion.source;
        let page = page.by(source, Trust::Page).consent(Consent::Granted);
        let alone = decided(rules, [server.clone()]);
        let beside = decided(rules, [server, page]);
        let outcome = |r: &OrderRecord| {
            (r.canonical, r.amount, r.ids.clone(), r.click.clone(), r.coupons.clone(), r.channel.clone())
        };
        prop_assert_eq!(outcome(&alone), outcome(&beside));
        prop_assert_eq!(beside.exempt_click, None);
    }

    #[test]
    fn exactly_one_report_is_canonical(rules in rules(), reports in reports(10)) {
        let record = decided(rules, reports);
        let canonical = |m: &&event::body::record::MemberSummary| m.verdict == MemberVerdict::Canonical;
        prop_assert_eq!(record.listed.iter().filter(canonical).count(), 1);
        prop_assert_eq!(record.listed[0].id, record.canonical);
    }
}
