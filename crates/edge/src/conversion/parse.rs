//! From names and values to a conversion: every rule of every field, all faults at once, nothing guessed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use event::body::touch::SubIds;
use event::body::{CustomerType, Item, OrderStatus};
use event::money::{AMOUNT_UNITS_MAX, DecimalMark, MICROS_PER_UNIT};
use event::order::{ORDER_ID_BYTES_MAX, cleaned};
use event::{Consent, Currency, Flag, GoalName, Micros, Millis};

use super::customer::CustomerHash;
use super::fault::FieldFault;
use super::fields::{Field, Fields, SUBS, Strictness, cut, shown_name};
use super::{instant, items};

/// Longest coupon, customer id, channel or client event id, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 128;
/// Longest sub id, in bytes; a longer one is cut.
pub(crate) const SUB_ID_BYTES_MAX: usize = 255;
/// Longest TC string, in bytes.
pub(crate) const TC_BYTES_MAX: usize = 4_096;
/// Most coupon codes of one order.
pub(crate) const COUPONS_MAX: usize = 10;
/// The goal of a call that names none.
pub(crate) const GOAL_DEFAULT: &str = "sale";

/// What the reader must know of the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shop<'a> {
    /// Its goals, and whether a rule may pay for each.
    pub(crate) goals: &'a BTreeMap<GoalName, catalog::program::Goal>,
    /// Currency of amounts that name none.
    pub(crate) currency: Currency,
    /// Decimal mark of amounts in text.
    pub(crate) decimal_mark: DecimalMark,
    /// Zone of times without offset.
    pub(crate) time_zone: &'a str,
}

/// One report, every field checked. Who sent it and what its click id is worth are known elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParsedConversion {
    /// What was reached.
    pub(crate) goal: GoalName,
    /// Order id, white space cleaned, case kept.
    pub(crate) order_id: Option<String>,
    /// The caller's id of the report.
    pub(crate) client_event_id: Option<String>,
    /// The caller's version of the order.
    pub(crate) revision: Option<u64>,
    /// What became of the order, if the caller says so already.
    pub(crate) status: OrderStatus,
    /// Value of the goods.
    pub(crate) amount: Micros,
    /// Its currency.
    pub(crate) currency: Option<Currency>,
    /// Order lines, in sum never above the amount.
    pub(crate) items: Vec<Item>,
    /// Coupon codes, each once.
    pub(crate) coupons: Vec<String>,
    /// The customer.
    pub(crate) customer: Option<CustomerHash>,
    /// New or returning.
    pub(crate) customer_type: Option<CustomerType>,
    /// The channel as the merchant sees it.
    pub(crate) channel: Option<String>,
    /// The visitor's choice as the call tells it.
    pub(crate) consent: Option<Consent>,
    /// `gdpr` as sent.
    pub(crate) gdpr: Option<String>,
    /// TC string as sent.
    pub(crate) gdpr_consent: Option<String>,
    /// Sub ids.
    pub(crate) subs: SubIds,
    /// Asked to be a test.
    pub(crate) test: bool,
    /// Claimed time in milliseconds, as sent.
    pub(crate) claimed_at: Option<i64>,
    /// The claim clamped, else the receipt.
    pub(crate) occurred_at: Millis,
    /// What is odd.
    pub(crate) flags: Vec<Flag>,
    /// What the caller should know although nothing is refused.
    pub(crate) warnings: Vec<String>,
}

impl ParsedConversion {
    /// Whether it names its order or itself, so that the same report again is known as the same.
    pub(crate) const fn is_named(&self) -> bool {
        self.order_id.is_some() || self.client_event_id.is_some()
    }
}

/// A text as a caller may write it: trimmed, bounded, without control characters.
///
/// # Errors
/// What is wrong, going on from the name of the field.
pub(crate) fn plain_text(text: &str, bytes_max: usize) -> Result<&str, Cow<'static, str>> {
    let text = text.trim();
    if text.len() > bytes_max {
        return Err(format!("is longer than {bytes_max} bytes").into());
    }
    if text.chars().any(char::is_control) {
        return Err("has a control character".into());
    }
    Ok(text)
}

/// Reads the conversion of a call.
///
/// # Errors
/// Every field that is wrong.
pub(crate) fn read(
    fields: &Fields<'_>,
    shop: Shop<'_>,
    received_at: Millis,
    strictness: Strictness,
) -> Result<ParsedConversion, Vec<FieldFault>> {
    let mut reader = Reader { fields, faults: Vec::new(), flags: Vec::new(), warnings: Vec::new() };
    reader.conflicts(strictness);
    let goal = reader.goal(shop);
    let (amount, currency, items) = reader.money(shop, strictness);
    let (claimed_at, occurred_at) = reader.time(shop, received_at);
    let order_id = reader.id(Field::OrderId);
    let client_event_id = reader.id(Field::ClientEventId);
    let is_paid = goal.as_ref().and_then(|goal| shop.goals.get(goal)).is_some_and(|goal| goal.paid);
    if strictness == Strictness::Refuse && is_paid {
        reader.needs_an_id(order_id.is_some() || client_event_id.is_some());
    }
    let customer = reader.limited(Field::CustomerId, TEXT_BYTES_MAX);
    let revision = reader.revision();
    let status = reader.status();
    let coupons = reader.coupons();
    let customer_type = reader.customer_type();
    let channel = reader.limited(Field::Channel, TEXT_BYTES_MAX);
    let consent = reader.consent();
    let gdpr = reader.gdpr();
    let gdpr_consent = reader.limited(Field::GdprConsent, TC_BYTES_MAX);
    let subs = reader.subs();
    let test = reader.test();
    reader.refuse_compat();
    reader.unknown_names();
    let Reader { faults, flags, warnings, .. } = reader;
    match goal {
        Some(goal) if faults.is_empty() => Ok(ParsedConversion {
            goal,
            order_id,
            client_event_id,
            revision,
            status,
            amount,
            currency,
            items,
            coupons,
            customer: customer.as_deref().map(CustomerHash::of),
            customer_type,
            channel,
            consent,
            gdpr,
            gdpr_consent,
            subs,
            test,
            claimed_at,
            occurred_at,
            flags,
            warnings,
        }),
        _ => Err(faults),
    }
}

struct Reader<'f, 'a> {
    fields: &'f Fields<'a>,
    faults: Vec<FieldFault>,
    flags: Vec<Flag>,
    warnings: Vec<String>,
}

impl Reader<'_, '_> {
    fn fault(&mut self, field: Field, why: impl Into<Cow<'static, str>>) {
        self.faults.push(FieldFault::of(field.name(), why));
    }

    fn flag(&mut self, flag: Flag) {
        if !self.flags.contains(&flag) {
            self.flags.push(flag);
        }
    }

    /// The trimmed text of a field that may not be a list or object.
    fn text(&mut self, field: Field) -> Option<String> {
        let text = self.fields.value(field)?.text().map(|text| text.trim().to_owned());
        if text.is_none() {
            self.fault(field, "is not text or a number");
        }
        text
    }

    fn limited(&mut self, field: Field, bytes_max: usize) -> Option<String> {
        let text = self.text(field)?;
        match plain_text(&text, bytes_max) {
            Ok(plain) => Some(plain.to_owned()),
            Err(why) => {
                self.fault(field, why);
                None
            }
        }
    }

    fn conflicts(&mut self, strictness: Strictness) {
        for &field in self.fields.conflicts() {
            match strictness {
                Strictness::Refuse => {
                    self.fault(field, "came twice (perhaps by two names) with different values");
                }
                Strictness::Flag => self.flag(Flag::ParamConflict),
            }
        }
        for &field in self.fields.garbled() {
            match strictness {
                Strictness::Refuse => self.fault(field, "is not UTF-8"),
                Strictness::Flag => self.flag(Flag::QueryRepaired),
            }
        }
        if self.fields.is_repeated() {
            self.flag(Flag::ParamDuplicate);
        }
    }

    fn goal(&mut self, shop: Shop<'_>) -> Option<GoalName> {
        let text = self.text(Field::Goal).unwrap_or_else(|| GOAL_DEFAULT.to_owned());
        let goal = shop.goals.get_key_value(text.as_str()).map(|(goal, _)| goal.clone());
        if goal.is_none() {
            let known =
                shop.goals.keys().map(GoalName::as_str).take(10).collect::<Vec<_>>().join(", ");
            let shown = shown_name(&text);
            self.fault(
                Field::Goal,
                format!("{shown:?} is not a goal of this program; it has: {known}"),
            );
        }
        goal
    }

    /// Order id or client event id: inner white space is one space, case stays.
    fn id(&mut self, field: Field) -> Option<String> {
        let text = cleaned(&self.text(field)?);
        match plain_text(&text, ORDER_ID_BYTES_MAX) {
            Ok(_) => (!text.is_empty()).then_some(text),
            Err(why) => {
                self.fault(field, why);
                None
            }
        }
    }

    fn money(
        &mut self,
        shop: Shop<'_>,
        strictness: Strictness,
    ) -> (Micros, Option<Currency>, Vec<Item>) {
        let given = self.fields.value(Field::Amount).map(|value| value.amount(shop.decimal_mark));
        let currency = self.text(Field::Currency).and_then(|text| match text.parse() {
            Ok(currency) => Some(currency),
            Err(why) => {
                self.fault(Field::Currency, format!("{why}"));
                None
            }
        });
        let items::Lines { items: mut lines, conflict } =
            items::read(self.fields, shop.decimal_mark, &mut self.faults);
        match (conflict, strictness) {
            (true, Strictness::Refuse) => {
                self.fault(Field::Items, "came in two ways: give the lines once")
            }
            (true, Strictness::Flag) => self.flag(Flag::ParamConflict),
            (false, _) => {}
        }
        let amount = match given {
            Some(Ok(amount)) => amount,
            Some(Err(why)) => {
                self.fault(Field::Amount, why.to_string());
                Micros(0)
            }
            None if lines.is_empty() => {
                self.warnings.push("amount is absent: stored as 0".into());
                Micros(0)
            }
            None => match items::sum(&lines) {
                Some(sum) if sum.0 <= AMOUNT_UNITS_MAX.saturating_mul(MICROS_PER_UNIT) => sum,
                _ => {
                    self.fault(Field::Items, "sum up to more than an order may have");
                    Micros(0)
                }
            },
        };
        if items::settle(&mut lines, amount) {
            self.flag(Flag::ItemsSumDiffers);
        }
        (amount, currency.or(Some(shop.currency)), lines)
    }

    fn time(&mut self, shop: Shop<'_>, received_at: Millis) -> (Option<i64>, Millis) {
        let Some(text) = self.text(Field::Ts) else {
            return (None, received_at);
        };
        match instant::read(&text, shop.time_zone) {
            Ok(claimed_at) => {
                let (occurred_at, clamped) = instant::clamp(claimed_at, received_at);
                if clamped {
                    self.flag(Flag::TimeClamped);
                }
                (Some(claimed_at), occurred_at)
            }
            Err(why) => {
                self.fault(Field::Ts, why);
                (None, received_at)
            }
        }
    }

    /// Without an id of its own a report that was sent again after a time-out would make a second order.
    fn needs_an_id(&mut self, has_one: bool) {
        let is_named = |fault: &FieldFault| {
            [Field::OrderId, Field::ClientEventId].iter().any(|field| field.name() == fault.field)
        };
        if !has_one && !self.faults.iter().any(is_named) {
            let why =
                "or client_event_id is required: without one a retry would make a second order";
            self.fault(Field::OrderId, why);
        }
    }

    fn revision(&mut self) -> Option<u64> {
        let text = self.text(Field::Revision)?;
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        if number.is_none() {
            self.fault(Field::Revision, "is not a whole number");
        }
        number
    }

    /// Reads a closed list of words, in whichever case.
    fn word<T: Copy>(
        &mut self,
        field: Field,
        words: &[(&[&str], T)],
        expected: &'static str,
    ) -> Option<T> {
        let text = self.text(field)?;
        let found = words
            .iter()
            .find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(&text)))
            .map(|(_, value)| *value);
        if found.is_none() {
            self.fault(field, format!("is not one of {expected}"));
        }
        found
    }

    fn status(&mut self) -> OrderStatus {
        let words: &[(&[&str], OrderStatus)] = &[
            (&["pending"], OrderStatus::Pending),
            (&["approved"], OrderStatus::Approved),
            (&["declined"], OrderStatus::Declined),
        ];
        self.word(Field::Status, words, "pending, approved, declined")
            .unwrap_or(OrderStatus::Pending)
    }

    fn customer_type(&mut self) -> Option<CustomerType> {
        let words: &[(&[&str], CustomerType)] = &[
            (&["new", "1"], CustomerType::New),
            (&["returning", "return", "existing", "0"], CustomerType::Returning),
        ];
        self.word(Field::CustomerType, words, "new, returning")
    }

    fn consent(&mut self) -> Option<Consent> {
        // An order cannot claim an exemption: that is a fact of the link. Its own consent is then not known.
        let words: &[(&[&str], Consent)] = &[
            (&["granted", "1", "true", "yes"], Consent::Granted),
            (&["denied", "0", "false", "no"], Consent::Denied),
            (&["unknown", "exempt"], Consent::Unknown),
        ];
        self.word(Field::Consent, words, "granted, denied, unknown")
    }

    fn test(&mut self) -> bool {
        let words: &[(&[&str], bool)] =
            &[(&["1", "true", "yes"], true), (&["0", "false", "no"], false)];
        self.word(Field::Test, words, "1, 0").unwrap_or(false)
    }

    /// `0` or `1`; anything else says nothing, since pages send unexpanded macros here.
    fn gdpr(&self) -> Option<String> {
        self.fields.text(Field::Gdpr).filter(|text| matches!(*text, "0" | "1")).map(str::to_owned)
    }

    fn coupons(&mut self) -> Vec<String> {
        let mut found: Vec<(Field, String)> = Vec::new();
        for field in [Field::Coupon, Field::Coupons] {
            match self.fields.value(field) {
                None => {}
                // A form carries a list as its JSON text.
                Some(value) if value.raw().starts_with(['[', '{']) => {
                    match serde_json::from_str::<Vec<String>>(value.raw()) {
                        Ok(codes) => found.extend(codes.into_iter().map(|code| (field, code))),
                        Err(_) => self.fault(field, "is not a text or a list of texts"),
                    }
                }
                Some(value) if field == Field::Coupons => {
                    found.extend(value.raw().split(',').map(|code| (field, code.to_owned())));
                }
                Some(value) => found.push((field, value.raw().to_owned())),
            }
        }
        let mut coupons: Vec<String> = Vec::new();
        for (field, code) in found {
            match plain_text(&code, TEXT_BYTES_MAX) {
                Ok("") => {}
                Ok(code) if coupons.iter().any(|known| known == code) => {}
                Ok(_) if coupons.len() == COUPONS_MAX => {
                    self.fault(field, format!("has more than {COUPONS_MAX} codes"));
                    break;
                }
                Ok(code) => coupons.push(code.to_owned()),
                Err(why) => self.fault(field, why),
            }
        }
        coupons
    }

    fn subs(&mut self) -> SubIds {
        let mut subs = SubIds::default();
        for (number, field) in (1..).zip(SUBS) {
            let Some(text) = self.text(field) else {
                continue;
            };
            let kept = cut(&text, SUB_ID_BYTES_MAX);
            if kept.len() < text.len() {
                self.flag(Flag::SubidTruncated);
            }
            subs.set(number, kept);
        }
        subs
    }

    /// A dialect changes what names mean; to read such a call without it would be a guess.
    fn refuse_compat(&mut self) {
        if self.fields.value(Field::Compat).is_some() {
            self.fault(
                Field::Compat,
                "is not supported: use our names or their unambiguous aliases",
            );
        }
    }

    fn unknown_names(&mut self) {
        for name in self.fields.unknown() {
            self.warnings.push(format!("{name} is no field of a conversion: ignored"));
        }
    }
}

#[cfg(test)]
mod tests;
