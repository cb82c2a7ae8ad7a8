//! The pure engine: (order record, what is known, terms) → decision with trace.
//!
//! [`gather`] collects what the order may read and normalizes it into [`Inputs`]; [`judge`] runs the
//! steps over these. A trace holds the inputs, so that the second half can be run again from it alone.

#![deny(clippy::float_arithmetic)]

mod gather;
mod hash;
mod inputs;
mod judge;
mod verify;

#[cfg(test)]
mod tests;

use catalog::{ProgramRef, Snapshot};
use event::body::OrderRecord;
use event::body::decision::Decision;
use event::{Millis, time::DAY_MS};

pub use inputs::{Input, Inputs, Order};
pub use verify::{Verification, verify};

use crate::evidence::Evidence;
use crate::facts::FACTS_END_MAX;

/// How far before an order touches are looked at: one constant of an installation, no lookback window is longer.
pub const HORIZON_MS: i64 = catalog::limits::HORIZON_MS;
/// How far after an order touches are looked at: for the trace ("your click came after the order") and clock skew.
pub const AFTER_MS: i64 = DAY_MS;
/// Largest difference of clocks that is corrected for a touch whose click id the order carries, in milliseconds,
/// inclusive.
pub const SKEW_MAX_MS: i64 = 2_000;
/// What an oversize identity adds to the count of known events of a version.
pub const OVERSIZE_KNOWN: u64 = 1 << 40;
/// What a landing report adds to it that no longer reaches its touch, since others have smaller ids: more than was known
/// of the touch by it.
pub const DISPLACED_KNOWN: u64 = 1 << 10;
const _: () = assert!(DISPLACED_KNOWN > 1 + 3 * 2 * FACTS_END_MAX as u64);

/// Decides one order.
///
/// `known` must hold the merges that the record itself implies.
///
/// # Errors
/// The evidence cannot be read.
pub fn decide<E: Evidence>(
    record: &OrderRecord,
    known: &E,
    program: ProgramRef<'_>,
) -> Result<Decision, E::Error> {
    let inputs = gather::gather(record, known, program)?;
    judged(record, inputs, known, program)
}

/// Decides one order under a catalog. None if this names its program or the partner of a candidate not yet: an order may
/// come before the catalog that it was made under.
///
/// # Errors
/// The evidence cannot be read.
pub fn decide_under<E: Evidence>(
    record: &OrderRecord,
    known: &E,
    catalog: &Snapshot,
) -> Result<Option<Decision>, E::Error> {
    let Some(program) = catalog.program(record.order.program.as_str()) else { return Ok(None) };
    let inputs = gather::gather(record, known, program)?;
    let mut last = None;
    let partners = inputs.candidates.iter().filter_map(|candidate| candidate.partner.as_ref());
    for partner in partners {
        if last != Some(partner) && catalog.partner(partner.as_str()).is_none() {
            return Ok(None);
        }
        last = Some(partner);
    }
    judged(record, inputs, known, program).map(Some)
}

fn judged<E: Evidence>(
    record: &OrderRecord,
    inputs: Inputs,
    known: &E,
    program: ProgramRef<'_>,
) -> Result<Decision, E::Error> {
    let order = Order::of_record(record);
    let mut failed = None;
    let decision = judge::judge(order, inputs, program, |touch| {
        known.dimensions(&record.order.program, touch).unwrap_or_else(|e| {
            failed = Some(e);
            None
        })
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(decision),
    }
}

/// After this instant of receipt, events about an order only count: it is locked, and the lateness has passed.
#[must_use]
pub fn closes_at(converted_at: Millis, received_at: Millis, program: ProgramRef<'_>) -> Millis {
    let terms = &program.terms_at(converted_at).terms;
    let lock_at =
        program.lock_from(converted_at).0.max(received_at.0.saturating_add(terms.lateness_ms));
    Millis(lock_at.saturating_add(terms.lateness_ms))
}
