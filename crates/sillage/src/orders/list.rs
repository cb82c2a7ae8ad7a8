//! `sillage orders list`: orders with their state and commission, as the running node knows them.

use anyhow::{Context as _, bail};
use catalog::Snapshot;
use event::order::OrderRef;
use event::{Code, Currency, Micros, Millis, OrderKey};
use serde::Deserialize;
use telemetry::admin;

use super::arguments::ListArguments;
use super::preview::{NOT_OURS, grouped, not_ours};
use crate::config::{self, Faults};

/// Where the admin listener answers for orders.
const ROUTE: &str = "/v1/orders";
/// Orders of one answer.
const LIMIT: &str = "1000";

/// One order, or what the next page begins behind.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Order(Box<Order>),
    Next { next: Option<String> },
}

#[derive(Debug, Deserialize)]
struct Order {
    order: String,
    #[serde(default)]
    order_id: Option<String>,
    state: String,
    #[serde(default)]
    code: Option<u16>,
    #[serde(default)]
    partner: Option<String>,
    currency: Currency,
    net_micros: i64,
    commission_micros: i64,
    #[serde(default)]
    converted_at: serde_json::Value,
    #[serde(default)]
    lock_at: serde_json::Value,
}

const HEADER: [&str; 8] =
    ["order", "state", "partner", "net", "commission", "converted (UTC)", "locks (UTC)", "reason"];

/// Prints the list.
pub(super) fn run(arguments: &ListArguments) -> anyhow::Result<()> {
    let config = config::from_environment(&arguments.config.config)?;
    let code = arguments.code.map(|code| code.number().to_string());
    if arguments.ids {
        println!("order_id,goal");
    }
    let mut after: Option<String> = None;
    let mut count = 0;
    loop {
        let mut parameters = vec![("program", arguments.program.as_str()), ("limit", LIMIT)];
        parameters.extend(arguments.state.map(|state| ("state", state.as_str())));
        parameters.extend(code.as_deref().map(|code| ("code", code)));
        parameters.extend(arguments.partner.as_deref().map(|partner| ("partner", partner)));
        parameters.extend(after.as_deref().map(|after| ("after", after)));
        let address = config.admin.listen;
        let answer = admin::get(address, ROUTE, &parameters).with_context(|| {
            format!(
                "nothing answers at admin.listen = {address} (is `sillage serve` running with this configuration?)"
            )
        })?;
        let text = String::from_utf8_lossy(&answer.body);
        if NOT_OURS.contains(&answer.status) {
            bail!("{}", not_ours(address, answer.status));
        }
        if answer.status != 200 {
            bail!("{}", text.trim_end());
        }
        let (page, next) = page(&text)?;
        if count == 0 && !page.is_empty() && !arguments.ids {
            println!("{}", row(&HEADER.map(str::to_owned)));
        }
        count += page.len();
        for order in &page {
            if !arguments.ids {
                println!("{}", row(&cells(order)));
            } else if let Some(line) = id(order) {
                println!("{line}");
            } else {
                eprintln!("{}: has no order id; an act on it needs POST /v1/orders", order.order);
            }
        }
        match next {
            Some(next) if after.as_deref() != Some(&*next) => after = Some(next),
            Some(_) | None => break,
        }
    }
    if count == 0 {
        named(&super::catalog_of(&config)?, arguments)?; // a name that is wrong has no orders either
    }
    match count {
        _ if arguments.ids => {}
        0 => println!("no such orders"),
        1 => println!("1 order"),
        count => println!("{} orders", grouped(count)),
    }
    Ok(())
}

/// Whether the catalog has the program and the partner.
fn named(catalog: &Snapshot, arguments: &ListArguments) -> Result<(), Faults> {
    super::program_of(catalog, &arguments.program)?;
    match arguments.partner.as_deref().filter(|name| catalog.partner(name).is_none()) {
        Some(name) => Err(Faults::one(format!("there is no partner {name:?} in the catalog"))),
        None => Ok(()),
    }
}

/// The order as a row of a file; none if it has no order id.
fn id(order: &Order) -> Option<String> {
    let key: OrderKey = order.order.parse().ok()?;
    let id = order.order_id.as_ref().filter(|_| matches!(key.reference, OrderRef::Order(_)))?;
    let quoted = if id.contains([',', ';', '"']) {
        format!("\"{}\"", id.replace('"', "\"\""))
    } else {
        id.clone()
    };
    Some(format!("{quoted},{}", key.goal))
}

fn page(text: &str) -> anyhow::Result<(Vec<Order>, Option<String>)> {
    let mut orders = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str(line).context("read the answer of the running node")? {
            Line::Order(order) => orders.push(*order),
            Line::Next { next } => return Ok((orders, next)),
        }
    }
    bail!("the answer of the running node ends before its last line: ask again")
}

fn cells(order: &Order) -> [String; 8] {
    let money = |micros: i64| {
        let currency = order.currency;
        format!("{} {currency}", Micros(micros).decimal(currency.exponent()))
    };
    let reason = match order.code {
        None | Some(0) => String::new(),
        Some(code) => {
            let slug = Code::from_number(code).map_or("", Code::slug);
            format!("{code} {slug}").trim_end().to_owned()
        }
    };
    [
        order.order_id.clone().unwrap_or_else(|| order.order.clone()),
        order.state.clone(),
        order.partner.clone().unwrap_or_else(|| "-".to_owned()),
        money(order.net_micros),
        money(order.commission_micros),
        time(&order.converted_at),
        time(&order.lock_at),
        reason,
    ]
}

/// A time to the minute.
fn time(value: &serde_json::Value) -> String {
    let text = match (value.as_i64(), value.as_str()) {
        (Some(at), _) => Millis(at).rfc3339(),
        (None, Some(text)) => text.to_owned(),
        (None, None) => return "-".to_owned(),
    };
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

/// Columns as wide as they mostly are; a longer text moves the rest of its row.
fn row(cells: &[String; 8]) -> String {
    let [order, state, partner, net, commission, converted, locks, reason] = cells;
    let row = format!(
        "{order:<20} {state:<9} {partner:<16} {net:>14} {commission:>14}  {converted:<16}  {locks:<16}  {reason}"
    );
    row.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{cells, id, page, row};

    #[test]
    fn orders_stand_in_columns() {
        let (orders, next) = page(
            r#"{"order":"shop/sale/real/o:BX-1","order_id":"BX-1","state":"held","code":110,"partner":"lea","currency":"EUR","amount_micros":74920000,"net_micros":74920000,"commission_micros":3746000,"converted_at":1793888525123,"lock_at":"2026-12-05T14:22:05.123Z","changed_at":1}
{"order":"shop/lead/real/c:X","order_id":null,"state":"locked","code":null,"partner":null,"currency":"JPY","amount_micros":0,"net_micros":0,"commission_micros":500000000,"converted_at":0,"lock_at":null,"changed_at":1}
{"next":"abc"}
"#,
        )
        .unwrap();
        assert_eq!(next.as_deref(), Some("abc"));
        let shown: Vec<String> = orders.iter().map(|order| row(&cells(order))).collect();
        expect_test::expect![[r#"
            BX-1                 held      lea                   74.92 EUR      3.746 EUR  2026-11-05 14:22  2026-12-05 14:22  110 unconfirmed
            shop/lead/real/c:X   locked    -                         0 JPY        500 JPY  1970-01-01 00:00  -"#]]
        .assert_eq(&shown.join("\n"));
        let ids: Vec<_> = orders.iter().map(id).collect();
        assert_eq!(ids, [Some("BX-1,sale".to_owned()), None]);
        assert!(page("{\"next\":null}").unwrap().1.is_none());
        assert!(page("").is_err(), "cut off");
    }
}
