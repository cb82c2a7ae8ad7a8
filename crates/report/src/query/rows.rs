//! The rows of a report: groups of sums, and their total.

mod groups;
mod money;
mod overfull;
mod reading;

use std::collections::BTreeMap;

use catalog::Snapshot;
use event::time::DAY_MS;
use event::{Currency, Millis};
use rusqlite::{Connection, Error};

use super::{By, Refused, Report, ReportRow, Request};
use crate::days::Zone;
use crate::kpi::Figures;
use crate::store::{NOBODY, OWN, StoreError};
use groups::{Group, Scope};
use reading::Reading;

/// Most values of a sub id in a report; those with the least sales are summed up. Count.
const SUB_ROWS_MAX: usize = 10_000;

/// What is summed up as one value.
pub(super) const OTHER: &str = "(other)";

pub(super) fn report(
    db: &Connection,
    catalog: &Snapshot,
    now: Millis,
    request: &Request,
) -> Result<Report, Refused> {
    let terms = catalog.program(request.program.as_str());
    let zone = Zone::named(terms.map_or("UTC", |program| program.time_zone()));
    let currency = terms.map(|program| program.currency());
    let read = || -> Result<(Vec<ReportRow>, Vec<ReportRow>), Error> {
        // One state of the store for all sums.
        let db = db.unchecked_transaction()?;
        let scope = Scope::of(&db, request, &zone, terms)?;
        let mut reading = Reading::new(&db, scope, now.0.div_euclid(DAY_MS));
        reading.touches()?;
        reading.orders()?;
        reading.fees()?;
        let reports = reading.journeys()?;
        let groups = reading.finished()?;
        Ok(rows(request.by, groups, currency, reports))
    };
    let (rows, total) = read().map_err(StoreError::of("read the report"))?;
    let time_zone = zone.name().to_owned();
    Ok(Report { request: request.clone(), time_zone, rows, total })
}

/// The rows of all groups, and the total over partners, with what belongs to no partner.
fn rows(
    by: By,
    groups: BTreeMap<Option<String>, Group>,
    own: Option<Currency>,
    reports: Figures,
) -> (Vec<ReportRow>, Vec<ReportRow>) {
    let own = own.or_else(|| "EUR".parse().ok());
    let mut all = Group { counts: reports, money: BTreeMap::new() };
    let mut rows = Vec::new();
    for (group, Group { counts, mut money }) in groups {
        if let (true, Some(own)) = (money.is_empty(), own) {
            money.insert(own, Figures::default());
        }
        let partners = !matches!(group.as_deref(), Some(OWN | NOBODY));
        if partners {
            // What a group of a day knows of reports stands in the total already.
            let counted = Figures { reports: 0, reported: 0, ..counts.clone() };
            all.counts.add_counts(&counted);
        }
        for (currency, mut figures) in money {
            if partners {
                all.money.entry(currency).or_default().add_money(&figures);
            }
            figures.add_counts(&counts);
            rows.push(ReportRow { group: group.clone(), currency, figures });
        }
    }
    if let (true, Some(own)) = (all.money.is_empty(), own) {
        all.money.insert(own, Figures::default());
    }
    if !matches!(by, By::Day | By::Time) {
        rows.sort_by_key(|row| {
            let special = matches!(row.group.as_deref(), Some(OWN | NOBODY | OTHER) | None);
            let net = row.figures.credited().net;
            (special, std::cmp::Reverse(net), std::cmp::Reverse(row.figures.clicks))
        });
    }
    if matches!(by, By::Sub(_)) && rows.len() > SUB_ROWS_MAX {
        rows = cut(rows);
    }
    if by == By::Time {
        for group in rows.iter_mut().filter_map(|row| row.group.as_mut()) {
            group.drain(..3);
        }
    }
    let total = all.money.into_iter().map(|(currency, mut figures)| {
        figures.add_counts(&all.counts);
        ReportRow { group: None, currency, figures }
    });
    (rows, total.collect())
}

/// The first rows; the others summed up by currency.
fn cut(mut rows: Vec<ReportRow>) -> Vec<ReportRow> {
    let rest = rows.split_off(SUB_ROWS_MAX);
    let mut others: BTreeMap<Currency, Figures> = BTreeMap::new();
    for row in rest {
        let other = others.entry(row.currency).or_default();
        other.add_money(&row.figures);
        other.add_counts(&row.figures);
    }
    rows.extend(others.into_iter().map(|(currency, figures)| ReportRow {
        group: Some(OTHER.to_owned()),
        currency,
        figures,
    }));
    rows
}
