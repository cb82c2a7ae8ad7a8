//! Which orders an order id, with or without program and goal, can mean.

use std::collections::BTreeMap;

use anyhow::Context as _;
use attribution::{FjallKv, Found, View};
use event::body::decision::Decision;
use event::order::{OrderRef, normalized};
use event::topic::KeyHash;
use event::{Body, Envelope, EventId, GoalName, OrderKey, ProgramName, Topic};
use eventlog::LogReader;

/// An order as somebody asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    given: String,
    program: Option<ProgramName>,
    goal: Option<GoalName>,
    test: Option<bool>,
    references: Vec<OrderRef>,
}

impl Wanted {
    /// From the parameters `order`, `program`, `goal`, `test`.
    ///
    /// # Errors
    /// Which parameter is wrong, and how to write it.
    pub(crate) fn of<'a>(parameter: impl Fn(&str) -> Option<&'a str>) -> Result<Self, String> {
        let given = parameter("order").unwrap_or_default().to_owned();
        let text = normalized(&given);
        if text.is_empty() {
            return Err("order is missing: give the order id, as the merchant sent it".to_owned());
        }
        let program = match parameter("program") {
            None => None,
            Some(name) => Some(name.parse().map_err(|error| format!("program {name:?}: {error}"))?),
        };
        let goal = match parameter("goal") {
            None => None,
            Some(name) => Some(name.parse().map_err(|error| format!("goal {name:?}: {error}"))?),
        };
        let test = match parameter("test") {
            None => None,
            Some("1") => Some(true),
            Some("0") => Some(false),
            Some(other) => return Err(format!("test is {other:?}: give 0 or 1")),
        };
        let mut references = vec![OrderRef::Order(text.clone()), OrderRef::Client(text)];
        // An order without any id of its own is found by its event.
        if let Ok(event) = given.trim().parse::<EventId>() {
            references.push(OrderRef::Event(event));
        }
        Ok(Self { given, program, goal, test, references })
    }

    /// Whether this key is meant.
    pub(crate) fn means(&self, key: &OrderKey) -> bool {
        self.program.as_ref().is_none_or(|program| *program == key.program)
            && self.goal.as_ref().is_none_or(|goal| *goal == key.goal)
            && self.test.is_none_or(|test| test == key.test)
            && self.references.contains(&key.reference)
    }

    /// Hashes of the partition texts that the order can have.
    pub(crate) fn hashes(&self) -> Vec<KeyHash> {
        let text = |reference: &OrderRef| match reference {
            OrderRef::Order(id) | OrderRef::Client(id) => KeyHash::of(id.as_bytes()),
            OrderRef::Event(id) => KeyHash::of(id.to_string().as_bytes()),
        };
        self.references.iter().map(text).collect()
    }

    /// What to say if there is no such order.
    pub(crate) fn not_found(&self) -> String {
        let of = |what: &str, name: Option<&str>| {
            name.map_or_else(String::new, |name| format!(" of {what} {name}"))
        };
        format!(
            "no decision about order {:?}{}{}: is it spelled as the merchant sent it, and was it accepted? \
             GET /v1/programs/PROGRAM/recent shows the last calls with their verdicts",
            self.given,
            of("program", self.program.as_ref().map(ProgramName::as_str)),
            of("goal", self.goal.as_ref().map(GoalName::as_str)),
        )
    }
}

/// The decisions of a running node: from the state of its attribution, and from the topic for orders that were decided
/// too long ago for it. Without a state (an edge without consumers, or a stage that failed) from the topic alone.
pub(crate) fn find(
    view: Option<&View<FjallKv>>,
    reader: &LogReader,
    wanted: &Wanted,
) -> anyhow::Result<Vec<Decision>> {
    let filter = (wanted.program.as_ref(), wanted.goal.as_ref(), wanted.test);
    let found = view.map(|view| view.find(filter, &wanted.references)).transpose()?;
    let Some(Found { mut decisions, earlier }) = found.flatten() else {
        return in_topic(reader, wanted);
    };
    // An order that nobody knows costs no look at the topic.
    if !earlier.is_empty() {
        decisions.extend(last_decisions(reader, wanted, |key| earlier.contains(key))?);
    }
    Ok(decisions)
}

/// The last decision of each order that `wanted` can mean, read from the topic.
pub(crate) fn in_topic(reader: &LogReader, wanted: &Wanted) -> anyhow::Result<Vec<Decision>> {
    last_decisions(reader, wanted, |key| wanted.means(key))
}

fn last_decisions(
    reader: &LogReader,
    wanted: &Wanted,
    means: impl Fn(&OrderKey) -> bool,
) -> anyhow::Result<Vec<Decision>> {
    let hashes = wanted.hashes();
    let mut last: BTreeMap<OrderKey, Decision> = BTreeMap::new();
    for batch in reader.scan(Topic::Attributed, 0) {
        let batch = batch.context("read conversions.attributed")?;
        for record in batch.records.iter().filter(|record| hashes.contains(&record.key_hash)) {
            let envelope = match Envelope::read(&record.payload) {
                Ok(envelope) => envelope,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    // Of an earlier build, perhaps of another order: no reason to say nothing of this one.
                    tracing::warn!(event.id = %record.id, error, "a decision on the topic does not read");
                    continue;
                }
            };
            let Body::Decision(decision) = envelope.body else { continue };
            if !means(&decision.order) {
                continue;
            }
            let rank = |decision: &Decision| (decision.version, decision.inputs_hash);
            let newer = |known: &Decision| rank(known) < rank(&decision);
            if last.get(&decision.order).is_none_or(newer) {
                last.insert(decision.order.clone(), *decision);
            }
        }
    }
    Ok(last.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    fn wanted(parameters: &[(&str, &'static str)]) -> Result<Wanted, String> {
        Wanted::of(|name| parameters.iter().find(|(given, _)| *given == name).map(|(_, v)| *v))
    }

    fn means(parameters: &[(&str, &'static str)], key: &str) -> bool {
        wanted(parameters).unwrap().means(&key.parse().unwrap())
    }

    #[test]
    fn an_order_is_found_however_it_is_spelled_and_narrowed() {
        assert!(means(&[("order", " bx-1 ")], "shop/sale/real/o:BX-1"));
        assert!(means(&[("order", "bx-1")], "shop/sale/test/c:BX-1"));
        assert!(means(&[("order", "bx-1"), ("program", "shop")], "shop/lead/real/o:BX-1"));
        let id = "00000000-0000-0000-0000-000000000000";
        assert!(means(&[("order", id)], &format!("shop/sale/real/e:{id}")));
    }

    #[test]
    fn another_program_goal_test_or_id_is_not_meant() {
        let key = "shop/sale/real/o:BX-1";
        assert!(!means(&[("order", "BX-2")], key));
        assert!(!means(&[("order", "BX-1"), ("program", "other")], key));
        assert!(!means(&[("order", "BX-1"), ("goal", "lead")], key));
        assert!(!means(&[("order", "BX-1"), ("test", "1")], key));
    }

    #[test]
    fn wrong_parameters_are_named() {
        for wrong in [
            &[("order", " ")][..],
            &[("order", "x"), ("program", "a b")],
            &[("order", "x"), ("goal", "")],
            &[("order", "x"), ("test", "yes")],
        ] {
            assert!(wanted(wrong).is_err(), "{wrong:?}");
        }
    }
}
