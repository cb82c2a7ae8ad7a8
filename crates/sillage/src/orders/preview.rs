//! What acts would do, as the running node tells: states, money and faults that only the books know.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, bail};
use event::{Currency, Micros};
use serde::Deserialize;
use telemetry::admin;

use super::batches::batches;
use super::rows::{Act, RowFault};
use super::send::PROGRESS_EVERY;

/// Where the admin listener answers for acts that are not sent.
pub(super) const ROUTE: &str = "/v1/orders/preview";

/// What an order is, before or after.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Standing {
    state: String,
    commission_micros: i64,
    currency: Currency,
}

#[derive(Debug, Deserialize)]
struct Fault {
    #[serde(default)]
    message: String,
}

/// The answer about one line.
#[derive(Debug, Deserialize)]
struct Preview {
    line: usize,
    before: Option<Standing>,
    after: Option<Standing>,
    #[serde(default)]
    done: Option<Done>,
    fault: Option<Fault>,
}

/// What became of an act that was applied before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Done {
    Holds,
    Replaced,
}

/// What a file would do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outlook {
    /// Lines of acts that were applied before in the same batch.
    pub(super) done: HashSet<usize>,
    /// How many of them something later has replaced.
    pub(super) replaced: usize,
    /// Orders by the change of their state, such as `pending → declined`.
    pub(super) changes: BTreeMap<(String, String), usize>,
    /// Orders of which the money changes and not the state.
    pub(super) repriced: usize,
    /// Orders that stay as they are.
    pub(super) unchanged: usize,
    /// Difference in commission.
    pub(super) money: BTreeMap<Currency, i128>,
    /// Acts that the books do not take as they are.
    pub(super) faults: Vec<RowFault>,
}

/// Asks the running node what these acts would do.
///
/// # Errors
/// Nothing answers, or not as expected.
pub(super) fn ask(
    address: SocketAddr,
    program: &str,
    acts: &[Act],
    mut say: impl FnMut(String),
) -> anyhow::Result<Outlook> {
    let mut outlook = Outlook::default();
    let (mut said, mut done) = (Instant::now(), 0);
    for (batch, body) in batches(acts) {
        let answer = admin::post(address, ROUTE, &[("program", program)], &body).with_context(|| {
            format!(
                "what the file would do is asked of the running node, and nothing answers at admin.listen = {address} \
                 (is `sillage serve` running with this configuration?)"
            )
        })?;
        let text = String::from_utf8_lossy(&answer.body);
        if NOT_OURS.contains(&answer.status) {
            bail!("{}", not_ours(address, answer.status));
        }
        if answer.status != 200 {
            bail!(
                "the running node does not say what the file would do ({}): {}",
                answer.status,
                text.trim_end()
            );
        }
        let mut answered = 0;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let preview: Preview = serde_json::from_str(line)
                .context("read what the running node says of an order")?;
            let act = preview.line.checked_sub(1).and_then(|i| batch.get(i));
            let act = act.with_context(|| {
                format!("the running node answers for line {} of {}", preview.line, batch.len())
            })?;
            outlook.add(act, preview);
            answered += 1;
        }
        if answered != batch.len() {
            bail!("the running node answers for {answered} of {} orders", batch.len());
        }
        done += answered;
        if said.elapsed() >= PROGRESS_EVERY && done < acts.len() {
            said = Instant::now();
            say(format!("looked at {} of {} orders", grouped(done), grouped(acts.len())));
        }
    }
    Ok(outlook)
}

/// Statuses of a listener that does not know the books.
pub(super) const NOT_OURS: [u16; 3] = [404, 405, 421];

/// What answers at the admin listener's address is something else.
pub(super) fn not_ours(address: SocketAddr, status: u16) -> String {
    format!(
        "what answers at admin.listen = {address} does not know the books ({status}): is it the admin listener of a node that \
         runs all roles, with this configuration?"
    )
}

impl Outlook {
    fn add(&mut self, act: &Act, preview: Preview) {
        if let Some(fault) = preview.fault {
            let text = format!("order {}: {}", act.order, fault.message);
            self.faults.push(RowFault { line: act.line, text });
            return;
        }
        if let Some(done) = preview.done {
            self.done.insert(act.line);
            self.replaced += usize::from(done == Done::Replaced);
            return;
        }
        let (before, after) = (preview.before, preview.after);
        for (standing, sign) in [(&before, -1), (&after, 1)] {
            if let Some(standing) = standing {
                let sum = self.money.entry(standing.currency).or_default();
                *sum += sign * i128::from(standing.commission_micros);
            }
        }
        if before == after {
            self.unchanged += 1;
            return;
        }
        let word =
            |standing: Option<Standing>| standing.map_or_else(|| "unknown".to_owned(), |s| s.state);
        let (before, after) = (word(before), word(after));
        if before == after {
            self.repriced += 1;
        } else {
            *self.changes.entry((before, after)).or_default() += 1;
        }
    }

    /// The outlook in words, a line each.
    pub(super) fn words(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for ((before, after), count) in &self.changes {
            lines.push(format!("{:>9}  {before} → {after}", grouped(*count)));
        }
        for (count, what) in [
            (self.repriced, "stay in their state, with other money"),
            (self.unchanged, "stay as they are"),
            (self.done.len(), "were applied before in this batch: not sent again"),
            (
                self.replaced,
                "of these do not hold any more: to apply them anew, give another --batch",
            ),
            (self.faults.len(), "with a fault"),
        ] {
            if count > 0 {
                lines.push(format!("{:>9}  {what}", grouped(count)));
            }
        }
        let money: Vec<String> = self
            .money
            .iter()
            .filter(|(_, difference)| **difference != 0)
            .map(|(currency, difference)| signed(*difference, *currency))
            .collect();
        let money = if money.is_empty() { "no difference".to_owned() } else { money.join(", ") };
        lines.push(format!("commission: {money}"));
        lines
    }
}

/// A difference as `+1,234.50 EUR`.
fn signed(difference: i128, currency: Currency) -> String {
    let sign = if difference < 0 { '-' } else { '+' };
    let magnitude = i64::try_from(difference.unsigned_abs()).unwrap_or(i64::MAX);
    let text = Micros(magnitude).decimal(currency.exponent());
    let (whole, decimals) =
        text.split_once('.').map_or((text.as_str(), None), |(w, d)| (w, Some(d)));
    let whole = grouped_text(whole);
    let dot = decimals.map_or_else(String::new, |decimals| format!(".{decimals}"));
    format!("{sign}{whole}{dot} {currency}")
}

/// A count as `40,000`.
pub(super) fn grouped(count: usize) -> String {
    grouped_text(&count.to_string())
}

fn grouped_text(digits: &str) -> String {
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Outlook, Preview, grouped, signed};
    use crate::orders::rows::Act;

    #[test]
    fn numbers_are_grouped_and_money_has_its_sign() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_000), grouped(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        let money = |micros, currency: &str| signed(micros, currency.parse().unwrap());
        assert_eq!(money(-12_345_678_901, "EUR"), "-12,345.678901 EUR");
        assert_eq!(money(1_000_000_000, "JPY"), "+1,000 JPY");
        assert_eq!(money(500_000, "KWD"), "+0.500 KWD");
    }

    #[test]
    fn an_outlook_counts_changes_and_sums_money_by_currency() {
        let act =
            |line| Act { line, order: "BX-7".into(), json: String::new(), meaning: String::new() };
        let mut outlook = Outlook::default();
        for (n, line) in [
            r#"{"line":1,"order":"k","before":{"state":"pending","commission_micros":3000000,"currency":"EUR"},
                "after":{"state":"declined","commission_micros":0,"currency":"EUR"},"fault":null}"#,
            r#"{"line":1,"order":"k","before":{"state":"pending","commission_micros":30000000,"currency":"JPY"},
                "after":{"state":"pending","commission_micros":20000000,"currency":"JPY"},"fault":null}"#,
            r#"{"line":1,"order":"k","before":{"state":"declined","commission_micros":0,"currency":"EUR"},
                "after":{"state":"declined","commission_micros":0,"currency":"EUR"},"fault":null}"#,
            r#"{"line":1,"order":"k","before":{"state":"declined","commission_micros":0,"currency":"EUR"},
                "after":{"state":"declined","commission_micros":0,"currency":"EUR"},"done":"holds","fault":null}"#,
            r#"{"line":1,"order":"k","before":{"state":"pending","commission_micros":3000000,"currency":"EUR"},
                "after":{"state":"pending","commission_micros":3000000,"currency":"EUR"},"done":"replaced","fault":null}"#,
            r#"{"line":1,"order":"k","before":null,"after":null,"fault":{"code":"unknown_order","message":"is not known"}}"#,
        ].into_iter().enumerate() {
            let preview: Preview = serde_json::from_str(line).unwrap();
            outlook.add(&act(n + 2), preview);
        }
        expect_test::expect![[r#"
                    1  pending → declined
                    1  stay in their state, with other money
                    1  stay as they are
                    2  were applied before in this batch: not sent again
                    1  of these do not hold any more: to apply them anew, give another --batch
                    1  with a fault
            commission: -3.00 EUR, -10 JPY"#]]
        .assert_eq(&outlook.words().join("\n"));
        assert_eq!(
            (outlook.faults[0].line, outlook.faults[0].text.as_str()),
            (7, "order BX-7: is not known")
        );
    }
}
