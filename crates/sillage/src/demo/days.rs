//! What partners must earn without any order: the truth about pay for clicks, impressions and periods, from what the senders
//! sent.
//!
//! The rates stand here a second time, as facts of the play; a test holds them against the catalog. The moment of a touch is
//! what the answer to it says: its event id.

use std::collections::{BTreeMap, BTreeSet};

use event::body::Purpose;
use event::{EventId, Millis};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::cast::{BANNERS, PLAYERS};
use super::compare::{Difference, Found, difference};
use super::drive::Seen;

/// Players that are paid for each click, and micros.
const CLICKS: [(usize, i64); 1] = [(1, 40_000)];
/// Players that are paid for each thousand impressions of a day, and micros.
const IMPRESSIONS: [(usize, i64); 1] = [(BANNERS, 2_000_000)];
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
pub(super) fn differences(seen: &Seen, found: &Found, times: Times) -> Vec<Difference> {
    let Ok(zone) = TimeZone::get(times.zone) else { return Vec::new() };
    let expected = expected(seen, &zone, times);
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

fn expected(seen: &Seen, zone: &TimeZone, times: Times) -> BTreeMap<Paid, i128> {
    let name = |player: usize| PLAYERS.get(player).and_then(|player| player.partner);
    let day_of = |at: Millis| {
        Timestamp::from_millisecond(at.0).map(|at| zone.to_datetime(at).date()).unwrap_or(Date::MIN)
    };
    let counted = |touches: &[(usize, EventId)], player: usize| {
        let mut days: BTreeMap<Date, i128> = BTreeMap::new();
        for (_, touch) in touches.iter().filter(|(of, _)| *of == player) {
            *days.entry(day_of(touch.time())).or_default() += 1;
        }
        days
    };
    let mut expected = BTreeMap::new();
    for (player, micros) in CLICKS {
        let Some(partner) = name(player) else { continue };
        for (day, clicks) in counted(&seen.clicks, player) {
            expected.insert((partner, Purpose::Click, day), clicks * i128::from(micros));
        }
    }
    for (player, micros) in IMPRESSIONS {
        let Some(partner) = name(player) else { continue };
        for (day, impressions) in counted(&seen.impressions, player) {
            let earned = impressions * i128::from(micros) / 1_000;
            expected.insert((partner, Purpose::Impression, day), earned);
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
    use super::{CLICKS, Found, IMPRESSIONS, MONTHS, SLACK_MS, Seen, Times, differences};

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
            let thousand = of(&IMPRESSIONS).map(Pays::PerThousandImpressions);
            assert_eq!(pays(PaidFor::Impression, touched), thousand, "{partner}");
            for period in [Period::Day, Period::Week, Period::Month] {
                let amount = of(&MONTHS).filter(|_| period == Period::Month);
                let pay = amount.map(|amount| Pays::PerPeriod { period, amount });
                assert_eq!(pays(PaidFor::Period(period), None), pay, "{partner}");
            }
        }
    }

    const H: i64 = 3_600_000;
    /// Midnight of 25 October 2026 in Paris, a day of 25 hours, and of 28 March 2027, one of 23.
    const AUTUMN: i64 = 1_792_879_200_000;
    const SPRING: i64 = 1_806_188_400_000;

    /// A player's touches at these times.
    fn touches(player: usize, at: &[i64]) -> Vec<(usize, EventId)> {
        let id = |(at, n)| EventId::minted(Millis(at), Sequence(n), LaneId::from_random(1));
        at.iter().copied().zip(1..).map(id).map(|id| (player, id)).collect()
    }

    fn booked(of: &[(&str, Purpose, &str, i64)]) -> Found {
        let mut found = Found::default();
        for (partner, purpose, day, micros) in of {
            let key = PayDay {
                program: "boutique".parse().unwrap(),
                partner: partner.parse().unwrap(),
                terms: "x".into(),
                rank: 1,
                day: (*day).into(),
            };
            found.day_pay.insert(key, (*purpose, i128::from(*micros)));
        }
        found
    }

    #[test]
    fn a_day_that_is_due_is_booked_at_its_clicks_and_others_may_be_missing() {
        let seen = Seen {
            clicks: [touches(1, &[NOW.0 + 1, NOW.0 + 2]), touches(0, &[NOW.0 + 3])].concat(),
            ..Seen::default()
        };
        let over = NOW.0 + DAY - H + 7 * DAY + SLACK_MS;
        let differ = |micros: Option<i64>, read: i64| {
            let found = micros.map(|micros| ("comparo", Purpose::Click, "2026-11-03", micros));
            let times = Times { begun: NOW, read: Millis(read), zone: "Europe/Paris" };
            !differences(&seen, &booked(found.as_slice()), times).is_empty()
        };
        assert!(differ(None, over) && !differ(None, over - 1));
        assert!(!differ(Some(80_000), over) && !differ(Some(80_000), over - 1));
        assert!(differ(Some(80_001), over) && differ(Some(40_000), over - 1));
    }

    #[test]
    fn thousands_of_impressions_are_cut_to_whole_micros_once_a_day() {
        let seen = |count: i64| Seen {
            impressions: touches(
                IMPRESSIONS[0].0,
                &(0..count).map(|n| NOW.0 + n).collect::<Vec<_>>(),
            ),
            ..Seen::default()
        };
        let times = Times { begun: NOW, read: Millis(NOW.0 + 30 * DAY), zone: "Europe/Paris" };
        let differ = |count: i64, micros: i64| {
            let of = [("marc-run", Purpose::Impression, "2026-11-03", micros)];
            let of = differences(&seen(count), &booked(&of), times);
            of.iter().any(|difference| difference.what.contains("marc-run"))
        };
        assert!(!differ(1, 2_000) && differ(1, 1_999) && !differ(500, 1_000_000));
    }

    #[test]
    fn a_day_on_which_the_clocks_change_has_the_touches_of_its_25_or_23_hours() {
        for (midnight, hours, day, before, after) in [
            (AUTUMN, 25, "2026-10-25", "2026-10-24", "2026-10-26"),
            (SPRING, 23, "2027-03-28", "2027-03-27", "2027-03-29"),
        ] {
            let over = midnight + hours * H;
            let seen = Seen {
                clicks: touches(1, &[midnight - 1, midnight, over - 1, over]),
                ..Seen::default()
            };
            let times = |read| Times {
                begun: Millis(midnight - DAY),
                read: Millis(read),
                zone: "Europe/Paris",
            };
            let of = |day, clicks| ("comparo", Purpose::Click, day, clicks * 40_000);
            let right = booked(&[of(before, 1), of(day, 2), of(after, 1)]);
            let differ = |found: &Found, read| {
                let all = differences(&seen, found, times(read));
                all.iter().filter(|one| one.what.contains("comparo")).count()
            };
            let due = over + 7 * DAY + SLACK_MS;
            assert_eq!(differ(&right, due), 0, "{day}");
            // A day of 24 hours would be another one, and would be due at another time.
            let wrong =
                booked(&[of(before, 1), of(day, 3 - i64::from(hours == 25) * 2), of(after, 1)]);
            assert_eq!(differ(&wrong, due), 1, "{day}");
            let missing = booked(&[of(before, 1)]);
            assert_eq!((differ(&missing, due - 1), differ(&missing, due)), (0, 1), "{day}");
        }
    }
}
