//! Order lines: five ways to write them, one meaning, and sums that never exceed the order.

use std::borrow::Cow;
use std::collections::BTreeMap;

use event::Micros;
use event::body::Item;
use event::body::conversion::ITEMS_MAX;
use event::money::DecimalMark;

use super::fault::FieldFault;
use super::fields::{Field, Fields, LineFamily, LinePart, LineValue, Value, line_part, shown_name};
use super::json::{List, Object, value};

/// Longest text of a line's article, category or group.
const TEXT_BYTES_MAX: usize = 128;
/// Most pieces of a line.
const QTY_MAX: u32 = 1_000_000;

/// A line before its values are read.
#[derive(Default)]
struct Draft<'a>([Option<Value<'a>>; 9]);

const PARTS: [(LinePart, &str); 9] = [
    (LinePart::Sku, "sku"),
    (LinePart::Category, "category"),
    (LinePart::Group, "group"),
    (LinePart::Qty, "qty"),
    (LinePart::Amount, "amount"),
    (LinePart::UnitAmount, "unit_amount"),
    (LinePart::Tax, "tax"),
    (LinePart::Shipping, "shipping"),
    (LinePart::Discount, "discount"),
];

fn place(part: LinePart) -> usize {
    PARTS.iter().position(|(known, _)| *known == part).unwrap_or(PARTS.len())
}

impl<'a> Draft<'a> {
    fn set(&mut self, part: LinePart, value: Value<'a>) {
        if value.raw().is_empty() {
            return;
        }
        if let Some(slot @ None) = self.0.get_mut(place(part)) {
            *slot = Some(value);
        }
    }

    fn set_text(&mut self, part: LinePart, text: &'a str) {
        self.set(part, Value::Text(text.into()));
    }

    fn value(&self, part: LinePart) -> Option<&Value<'a>> {
        self.0.get(place(part))?.as_ref()
    }

    fn get(&self, part: LinePart) -> Option<&str> {
        self.value(part)?.text().map(str::trim)
    }

    fn text(&self, part: LinePart, at: &str, faults: &mut Vec<FieldFault>) -> Option<String> {
        let text = self.get(part)?;
        match super::parse::plain_text(text, TEXT_BYTES_MAX) {
            Ok(text) => Some(text.to_owned()),
            Err(why) => {
                faults.push(self.fault(part, at, why));
                None
            }
        }
    }

    fn money(
        &self,
        part: LinePart,
        mark: DecimalMark,
        at: &str,
        faults: &mut Vec<FieldFault>,
    ) -> Option<Micros> {
        match self.value(part)?.amount(mark) {
            Ok(amount) => Some(amount),
            Err(why) => {
                faults.push(self.fault(part, at, why.to_string()));
                None
            }
        }
    }

    #[expect(clippy::unused_self, reason = "reads as the draft's own fault")]
    fn fault(&self, part: LinePart, at: &str, why: impl Into<Cow<'static, str>>) -> FieldFault {
        let name = PARTS.iter().find(|(known, _)| *known == part).map_or("", |(_, name)| name);
        FieldFault::of(format!("{at}.{name}"), why)
    }

    fn qty(&self, at: &str, faults: &mut Vec<FieldFault>) -> u32 {
        let Some(text) = self.get(LinePart::Qty) else {
            return 1;
        };
        match pieces(text) {
            Ok(qty) => qty,
            Err(why) => {
                faults.push(self.fault(LinePart::Qty, at, why));
                1
            }
        }
    }

    fn read(&self, mark: DecimalMark, at: &str, faults: &mut Vec<FieldFault>) -> Item {
        let qty = self.qty(at, faults);
        let amount = self.money(LinePart::Amount, mark, at, faults);
        let unit = self.money(LinePart::UnitAmount, mark, at, faults);
        let total = match (self.get(LinePart::Amount), self.get(LinePart::UnitAmount)) {
            (Some(_), Some(_)) => {
                let why =
                    "stands beside unit_amount: give the total of the line or the price of a piece";
                faults.push(self.fault(LinePart::Amount, at, why));
                None
            }
            (None, None) => {
                let why = "is missing: give the total of the line, or unit_amount";
                faults.push(self.fault(LinePart::Amount, at, why));
                None
            }
            (Some(_), None) => amount,
            (None, Some(_)) => unit.and_then(|unit| {
                let total = unit.0.checked_mul(i64::from(qty)).map(Micros);
                if total.is_none() {
                    faults.push(self.fault(LinePart::UnitAmount, at, "is too large for its qty"));
                }
                total
            }),
        };
        Item {
            sku: self.text(LinePart::Sku, at, faults),
            category: self.text(LinePart::Category, at, faults),
            group: self.text(LinePart::Group, at, faults),
            qty,
            amount: total.unwrap_or_default(),
            tax: self.money(LinePart::Tax, mark, at, faults),
            shipping: self.money(LinePart::Shipping, mark, at, faults),
            discount: self.money(LinePart::Discount, mark, at, faults),
        }
    }
}

/// Pieces: a whole number; `2.0` is one, as some shops write it.
///
/// # Errors
/// What is wrong, going on from the name of the field.
pub(crate) fn pieces(text: &str) -> Result<u32, String> {
    let whole = text.split_once('.').map_or(text, |(whole, decimals)| {
        if !decimals.is_empty() && decimals.bytes().all(|b| b == b'0') { whole } else { "" }
    });
    let digits = !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit());
    match digits.then(|| whole.parse::<u32>().ok()).flatten() {
        Some(qty) if (1..=QTY_MAX).contains(&qty) => Ok(qty),
        _ => Err(format!("is not a whole number from 1 to {QTY_MAX}")),
    }
}

/// What an item object calls things: our names, or those of a cart with unit prices.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Ours,
    /// Ours, and any other name is refused.
    OursAlone,
    Cart,
}

fn part_of(names: Names, name: &str) -> Option<LinePart> {
    let lower = name.to_ascii_lowercase();
    match (names, lower.as_str()) {
        (Names::Cart, "id") => Some(LinePart::Sku),
        (Names::Cart, "price") => Some(LinePart::UnitAmount),
        (_, name) => line_part(name),
    }
}

/// Lines by the name under which a caller knows them.
type Drafts<'a> = Vec<(String, Draft<'a>)>;

fn json_drafts<'a>(
    names: Names,
    given: &'a Value<'_>,
    field: &str,
) -> Result<Drafts<'a>, FieldFault> {
    let not_a_list = || FieldFault::of(field.to_owned(), "is not a JSON list of objects");
    let list: List<'_> = serde_json::from_str(given.raw()).map_err(|_| not_a_list())?;
    if list.0.len() > ITEMS_MAX {
        return Err(too_many(field));
    }
    list.0
        .into_iter()
        .enumerate()
        .map(|(i, raw)| {
            let at = format!("{field}[{i}]");
            let object =
                Object::read(raw.get()).map_err(|why| FieldFault::of(at.clone(), why.of_part()))?;
            let mut draft = Draft::default();
            for (name, raw) in object.0 {
                let Some(part) = part_of(names, &name) else {
                    if names == Names::OursAlone {
                        let at = format!("{at}.{}", shown_name(&name));
                        return Err(FieldFault::of(at, "is no field of a line"));
                    }
                    continue;
                };
                match value(raw).map_err(|why| FieldFault::of(at.clone(), why.of_part()))? {
                    None => {}
                    Some(value @ (Value::Text(_) | Value::Number(_))) => draft.set(part, value),
                    Some(Value::Json(_)) => {
                        return Err(FieldFault::of(
                            format!("{at}.{name}"),
                            "is not text or a number",
                        ));
                    }
                }
            }
            Ok((at, draft))
        })
        .collect()
}

fn too_many(field: &str) -> FieldFault {
    FieldFault::of(field.to_owned(), format!("has more than {ITEMS_MAX} lines"))
}

/// `GROUP:12.50|OTHER:3` — sums by commission group.
fn group_drafts<'a>(text: &'a str, field: &str) -> Result<Drafts<'a>, FieldFault> {
    if text.split('|').count() > ITEMS_MAX {
        return Err(too_many(field));
    }
    let draft = |(i, part): (usize, &'a str)| {
        let (group, amount) = part
            .rsplit_once(':')
            .ok_or_else(|| FieldFault::of(field.to_owned(), "is not GROUP:amount|GROUP:amount"))?;
        let mut draft = Draft::default();
        draft.set_text(LinePart::Group, group);
        draft.set_text(LinePart::Amount, amount);
        Ok((format!("{field}[{i}]"), draft))
    };
    text.split('|').enumerate().filter(|(_, part)| !part.trim().is_empty()).map(draft).collect()
}

/// `AW:P|merchant|order|product|name|price|qty|sku|group|category`: the price is that of a piece.
fn basket_draft<'a>(text: &'a str, at: &str) -> Result<Draft<'a>, FieldFault> {
    let parts: Vec<&str> = text.split('|').collect();
    let (Some("AW:P"), Some(price)) = (parts.first().copied(), parts.get(5)) else {
        let why = "is not AW:P|merchant|order|product|name|price|qty|sku|group|category";
        return Err(FieldFault::of(at.to_owned(), why));
    };
    let mut draft = Draft::default();
    draft.set_text(LinePart::UnitAmount, price);
    for (place, part) in [
        (6, LinePart::Qty),
        (7, LinePart::Sku),
        (3, LinePart::Sku),
        (8, LinePart::Group),
        (9, LinePart::Category),
    ] {
        if let Some(text) = parts.get(place) {
            draft.set_text(part, text);
        }
    }
    Ok(draft)
}

fn label(family: LineFamily, index: u16) -> String {
    match family {
        LineFamily::Items => format!("items[{index}]"),
        LineFamily::Basket => format!("bd[{index}]"),
        LineFamily::Bracketed => format!("item[{index}]"),
        LineFamily::Numbered => format!("item{index}"),
    }
}

/// The lines of an order and whether they came in two ways, which may contradict each other.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// The lines, in their order.
    pub(crate) items: Vec<Item>,
    /// They came in two ways; the first one counts.
    pub(crate) conflict: bool,
}

/// Reads the lines, in whichever way they were given.
pub(crate) fn read(fields: &Fields<'_>, mark: DecimalMark, faults: &mut Vec<FieldFault>) -> Lines {
    let mut ways = Vec::new();
    if let Some(given) = fields.value(Field::Items) {
        ways.push(json_drafts(Names::Ours, given, Field::Items.name()));
    }
    if let Some(given) = fields.value(Field::CartDetail) {
        ways.push(json_drafts(Names::Cart, given, Field::CartDetail.name()));
    }
    let families = families(fields);
    // Awin's calls carry the basket beside the sums of its groups; the basket says more.
    let parts = fields.text(Field::Parts).filter(|_| !families.contains_key(&LineFamily::Basket));
    ways.extend(families.into_iter().map(|(family, lines)| family_drafts(family, &lines)));
    if let Some(text) = parts {
        ways.push(group_drafts(text, Field::Parts.name()));
    }
    let conflict = ways.len() > 1;
    let items = match ways.into_iter().next() {
        None => Vec::new(),
        Some(Ok(drafts)) => {
            drafts.into_iter().map(|(at, draft)| draft.read(mark, &at, faults)).collect()
        }
        Some(Err(fault)) => {
            faults.push(fault);
            Vec::new()
        }
    };
    Lines { items, conflict }
}

/// The lines of a JSON list under our names; any other name is a fault.
pub(crate) fn read_list(
    given: &Value<'_>,
    mark: DecimalMark,
    faults: &mut Vec<FieldFault>,
) -> Vec<Item> {
    match json_drafts(Names::OursAlone, given, Field::Items.name()) {
        Ok(drafts) => drafts.into_iter().map(|(at, draft)| draft.read(mark, &at, faults)).collect(),
        Err(fault) => {
            faults.push(fault);
            Vec::new()
        }
    }
}

type ByLine<'f, 'a> = BTreeMap<u16, Vec<&'f LineValue<'a>>>;

fn families<'f, 'a>(fields: &'f Fields<'a>) -> BTreeMap<LineFamily, ByLine<'f, 'a>> {
    let mut families: BTreeMap<_, ByLine<'f, 'a>> = BTreeMap::new();
    for line in fields.lines() {
        families.entry(line.family).or_default().entry(line.index).or_default().push(line);
    }
    families
}

fn family_drafts<'f>(family: LineFamily, lines: &ByLine<'f, '_>) -> Result<Drafts<'f>, FieldFault> {
    if lines.len() > ITEMS_MAX {
        return Err(too_many(Field::Items.name()));
    }
    let draft = |(&index, values): (&u16, &Vec<&'f LineValue<'_>>)| {
        let at = label(family, index);
        let mut draft = Draft::default();
        for line in values {
            if line.value.text().is_none() {
                return Err(FieldFault::of(at, "is not text or a number"));
            }
            if line.part == LinePart::Basket {
                draft = basket_draft(line.value.raw(), &at)?;
            } else {
                draft.set(line.part, line.value.clone());
            }
        }
        Ok((at, draft))
    };
    lines.iter().map(draft).collect()
}

/// Makes lines and amount agree: a rest becomes a line without category, lines above the amount are scaled down to it.
/// Returns whether they differed. With [`ITEMS_MAX`] lines a rest stays without a line of its own.
pub(crate) fn settle(items: &mut Vec<Item>, amount: Micros) -> bool {
    if items.is_empty() {
        return false;
    }
    let sum: i128 = items.iter().map(|item| i128::from(item.amount.0)).sum();
    let whole = i128::from(amount.0);
    if sum == whole {
        return false;
    }
    if sum > whole {
        scale(items, sum, whole);
    } else if items.len() < ITEMS_MAX {
        let rest = Micros(i64::try_from(whole - sum).unwrap_or_default());
        items.push(Item { qty: 1, amount: rest, ..Item::default() });
    }
    true
}

/// Largest remainder: each line gets ⌊line · whole / sum⌋, the rest goes micro by micro to the largest remainders, the
/// earlier line first.
fn scale(items: &mut [Item], sum: i128, whole: i128) {
    let mut given = 0_i128;
    let mut remainders: Vec<(i128, usize)> = Vec::with_capacity(items.len());
    for (i, item) in items.iter_mut().enumerate() {
        let product = i128::from(item.amount.0) * whole;
        let share = product / sum;
        given += share;
        remainders.push((product % sum, i));
        item.amount = Micros(i64::try_from(share).unwrap_or_default());
    }
    remainders.sort_by_key(|(remainder, i)| (std::cmp::Reverse(*remainder), *i));
    let rest = usize::try_from(whole - given).unwrap_or_default();
    for (_, i) in remainders.into_iter().take(rest) {
        if let Some(item) = items.get_mut(i) {
            item.amount.0 += 1;
        }
    }
}

/// Σ of the lines, if an order may be that large.
pub(crate) fn sum(items: &[Item]) -> Option<Micros> {
    items.iter().try_fold(0_i64, |sum, item| sum.checked_add(item.amount.0)).map(Micros)
}

#[cfg(test)]
mod tests;
