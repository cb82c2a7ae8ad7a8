//! Lines of an act: those that came back, and those that an order has instead.

use event::Micros;
use event::body::conversion::ITEMS_MAX;
use event::body::{Item, ReturnedLine};
use event::money::{AMOUNT_UNITS_MAX, DecimalMark, MICROS_PER_UNIT};

use crate::conversion::fault::FieldFault;
use crate::conversion::fields::{Value, shown_name};
use crate::conversion::items;
use crate::conversion::json::{List, Object, value};
use crate::conversion::parse::{TEXT_BYTES_MAX, plain_text};

/// The lines that came back.
pub(super) fn returned(
    given: &Value<'_>,
    mark: DecimalMark,
    faults: &mut Vec<FieldFault>,
) -> Vec<ReturnedLine> {
    let list: List<'_> = match serde_json::from_str(given.raw()) {
        Ok(list) => list,
        Err(_) => {
            faults.push(FieldFault::of("items", "is not a JSON list of objects"));
            return Vec::new();
        }
    };
    if list.0.is_empty() {
        faults.push(FieldFault::of("items", "is empty: if nothing came back, give amount 0"));
    }
    if list.0.len() > ITEMS_MAX {
        faults.push(FieldFault::of("items", format!("has more than {ITEMS_MAX} lines")));
        return Vec::new();
    }
    let line = |(i, raw): (usize, &serde_json::value::RawValue)| {
        let at = format!("items[{i}]");
        match Object::read(raw.get()) {
            Ok(object) => returned_line(object, mark, &at, faults),
            Err(why) => {
                faults.push(FieldFault::of(at, why.of_part()));
                ReturnedLine::default()
            }
        }
    };
    list.0.into_iter().enumerate().map(line).collect()
}

fn returned_line(
    object: Object<'_>,
    mark: DecimalMark,
    at: &str,
    faults: &mut Vec<FieldFault>,
) -> ReturnedLine {
    let mut line = ReturnedLine::default();
    let own = faults.len();
    for (name, raw) in object.0 {
        let mut fault = |why: String| {
            faults.push(FieldFault::of(format!("{at}.{}", shown_name(&name)), why));
        };
        let value = match value(raw) {
            Ok(None) => continue,
            Ok(Some(Value::Json(_))) => {
                fault("is not text or a number".to_owned());
                continue;
            }
            Ok(Some(value)) if value.raw().is_empty() => continue,
            Ok(Some(value)) => value,
            Err(why) => {
                fault(why.of_part());
                continue;
            }
        };
        let text = value.raw();
        match &*name {
            "line" => match text.parse::<u32>() {
                Ok(place) if is_place(place) => line.line = Some(place),
                _ => fault(format!("is not the place of a line, from 1 to {ITEMS_MAX}")),
            },
            "sku" => match plain_text(text, TEXT_BYTES_MAX) {
                Ok(sku) => line.sku = Some(sku.to_owned()),
                Err(why) => fault(why.into_owned()),
            },
            "qty" => match items::pieces(text) {
                Ok(qty) => line.qty = Some(qty),
                Err(why) => fault(why),
            },
            "amount" => match value.amount(mark) {
                Ok(amount) => line.amount = Some(amount),
                Err(why) => fault(why.to_string()),
            },
            _ => fault("is no field of a line that came back: line or sku, qty, amount".to_owned()),
        }
    }
    let named = match (&line.line, &line.sku) {
        (None, None) => Some("is required, or sku: which line came back"),
        (Some(_), Some(_)) => {
            Some("stands beside sku: name the line by its place or by its article")
        }
        _ => None,
    };
    if let (Some(why), true) = (named, faults.len() == own) {
        faults.push(FieldFault::of(format!("{at}.line"), why));
    }
    line
}

/// Whether an order can have a line there.
fn is_place(place: u32) -> bool {
    usize::try_from(place).is_ok_and(|place| (1..=ITEMS_MAX).contains(&place))
}

/// The new lines, made to agree with the new amount as those of a conversion are, and whether they differed from it.
pub(super) fn amended(
    given: &Value<'_>,
    amount: Option<Micros>,
    mark: DecimalMark,
    faults: &mut Vec<FieldFault>,
) -> (Vec<Item>, bool) {
    let own = faults.len();
    let mut lines = items::read_list(given, mark, faults);
    if faults.len() > own {
        return (Vec::new(), false);
    }
    if lines.is_empty() {
        faults.push(FieldFault::of("items", "is empty: give the lines, or amount alone"));
        return (Vec::new(), false);
    }
    let whole =
        items::sum(&lines).filter(|sum| sum.0 <= AMOUNT_UNITS_MAX.saturating_mul(MICROS_PER_UNIT));
    match (amount, whole) {
        (Some(amount), _) => {
            let differ = items::settle(&mut lines, amount);
            (lines, differ)
        }
        (None, Some(_)) => (lines, false),
        (None, None) => {
            faults.push(FieldFault::of("items", "sum up to more than an order may have"));
            (Vec::new(), false)
        }
    }
}
