//! What partners must earn without any order: the truth about pay for clicks and periods, from what the senders sent.
//!
//! The rates stand here a second time, as facts of the play; a test holds them against the catalog. The moment of a click is
//! what the answer to it says: its event id. Nobody in the play is paid for impressions.

use std::collections::{BTreeMap, BTreeSet};

use event::body::Purpose;
use event::{EventId, Millis};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::cast::PLAYERS;
use super::compare::{Difference, Found, difference};

/// Players that are paid for each click, and micros.
const CLICKS: [(usize, i64); 1] = [(1, 40_000)];
/// Players that are paid for each month that begins, and micros.
const MONTHS: [(usize, i64); 1] = [(2, 150_000_000)];
/// How long the program waits for what comes late, in days.
const LATENESS_DAYS: i64 = 7;
/// How long the book may take to post a day: two real seconds. Milliseconds of the play.
const SLACK_MS: i64 = 2 * super::HOURS_PER_SECOND as i64 * 3_600_000;

/// When the play's node began, and when its topics were read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub begun: Millis,
    pub read: Millis,
    pub zone: &'static str,
}

/// A partner, what it is paid for, and the day.
type Paid = (&'static str, Purpose, Date);

/// Every day that is due by now is booked at what it must earn, and no other day is.
pub(super) fn differences(
    clicks: &[(usize, EventId)],
    found: &Found,
    times: Times,
) -> Vec<Difference> {
    let Ok(zone) = TimeZone::get(times.zone) else { return Vec::new() };
    let expected = expected(clicks, &zone, times);
    let mut booked: BTreeMap<(&str, Purpose, Date), i128> = BTreeMap::new();
    for (key, (purpose, amount)) in &found.day_pay {
        let Ok(day) = key.day.parse::<Date>() else { continue };
        *booked.entry((key.partner.as_str(), *purpose, day)).or_default() += amount;
    }
    let places: BTreeSet<_> = expected.keys().chain(booked.keys()).copied().collect();
    let mut differences = Vec::new();
    for (partner, purpose, day) in places {
        let due = expected.get(&(partner, purpose, day)).copied().unwrap_or(0);
        let paid = booked.get(&(partner, purpose, day)).copied();
        // What is not booked yet may not be due yet; and a month that began beside the catalog is nobody's truth.
        let may_be_missing = millis(&zone, day, 1 + LATENESS_DAYS) > times.read.0 - SLACK_MS
            || (purpose == Purpose::Fee && millis(&zone, day, 0) < times.begun.0 + SLACK_MS);
        if paid != Some(due) && !(paid.is_none() && (may_be_missing || due == 0)) {
            let what = format!("pay of {partner} for {} on {day} in micros", purpose.as_str());
            let paid = paid.map_or_else(|| "not booked".to_owned(), |paid| paid.to_string());
            differences.push(difference(what, &due.to_string(), &paid));
        }
    }
    differences
}

fn expected(clicks: &[(usize, EventId)], zone: &TimeZone, times: Times) -> BTreeMap<Paid, i128> {
    let name = |player: usize| PLAYERS.get(player).and_then(|player| player.partner);
    let day_of = |at: Millis| {
        Timestamp::from_millisecond(at.0).map(|at| zone.to_datetime(at).date()).unwrap_or(Date::MIN)
    };
    let mut expected = BTreeMap::new();
    for (player, micros) in CLICKS {
        let Some(partner) = name(player) else { continue };
        for (_, click) in clicks.iter().filter(|(of, _)| *of == player) {
            let place = (partner, Purpose::Click, day_of(click.time()));
            *expected.entry(place).or_default() += i128::from(micros);
        }
    }
    for (player, micros) in MONTHS {
        let Some(partner) = name(player) else { continue };
        let (mut day, last) = (day_of(times.begun), day_of(times.read));
        while day <= last {
            if day.day() == 1 && millis(zone, day, 0) >= times.begun.0 {
                expected.insert((partner, Purpose::Fee, day), i128::from(micros));
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
    }
    expected
}

/// The first instant of the day so many days later.
fn millis(zone: &TimeZone, day: Date, later: i64) -> i64 {
    let later = later.days();
    let start = day.checked_add(later).and_then(|day| day.to_zoned(zone.clone()));
    start.map_or(i64::MAX, |start| start.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use catalog::commission::{PaidFor, Pays, Period};
    use catalog::{Format, Occasion, snapshot_of};
    use event::body::{PayDay, Purpose};
    use event::{EventId, LaneId, Millis, Sequence};

    use super::super::cast::PLAYERS;
    use super::{CLICKS, Found, MONTHS, SLACK_MS, Times, differences};

    /// 2026-11-03T00:00:00Z.
    const NOW: Millis = Millis(1_793_664_000_000);
    const DAY: i64 = 86_400_000;
    const CATALOG: &str = include_str!("../../../../config/sample-catalog.toml");

    #[test]
    fn the_play_pays_for_clicks_and_months_what_the_sample_catalog_says_and_nothing_else() {
        let snapshot = snapshot_of(CATALOG, Format::Toml, NOW).unwrap();
        let program = snapshot.program("boutique").unwrap();
        for (n, player) in PLAYERS.iter().enumerate() {
            let Some(partner) = player.partner else { continue };
            let terms = program.commission(partner, NOW);
            let pays = |paid_for, touched| {
                let rule = terms.rule_for(&Occasion { paid_for, partner, touched, at: NOW });
                rule.map(|ranked| ranked.rule.pays)
            };
            let touched = Some((player.link, ""));
            let of = |paid: &[(usize, i64)]| {
                paid.iter().find(|(of, _)| *of == n).map(|(_, micros)| event::Micros(*micros))
            };
            assert_eq!(pays(PaidFor::Click, touched), of(&CLICKS).map(Pays::PerClick), "{partner}");
            assert_eq!(pays(PaidFor::Impression, touched), None, "{partner}");
            for period in [Period::Day, Period::Week, Period::Month] {
                let amount = of(&MONTHS).filter(|_| period == Period::Month);
                let pay = amount.map(|amount| Pays::PerPeriod { period, amount });
                assert_eq!(pays(PaidFor::Period(period), None), pay, "{partner}");
            }
        }
    }

    #[test]
    fn a_day_that_is_due_is_booked_at_its_clicks_and_others_may_be_missing() {
        let click =
            |n| (1, EventId::minted(Millis(NOW.0 + 1), Sequence(n), LaneId::from_random(1)));
        let over = NOW.0 + DAY - 3_600_000 + 7 * DAY + SLACK_MS;
        let differ = |booked: Option<i64>, read: i64| {
            let mut found = Found::default();
            let key = PayDay {
                program: "boutique".parse().unwrap(),
                partner: "comparo".parse().unwrap(),
                terms: "x".into(),
                rank: 1,
                day: "2026-11-03".into(),
            };
            let pay = booked.map(|booked| (key, (Purpose::Click, i128::from(booked))));
            found.day_pay.extend(pay);
            let times = Times { begun: NOW, read: Millis(read), zone: "Europe/Paris" };
            !differences(&[click(1), click(2), (0, click(3).1)], &found, times).is_empty()
        };
        assert!(differ(None, over) && !differ(None, over - 1));
        assert!(!differ(Some(80_000), over) && !differ(Some(80_000), over - 1));
        assert!(differ(Some(80_001), over) && differ(Some(40_000), over - 1));
    }
}
