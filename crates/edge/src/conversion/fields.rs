//! What a caller sent, by name: the fields of a conversion, their aliases, and what two names for one field mean.

use std::borrow::Cow;

use event::Micros;
use event::body::touch::SUB_IDS_MAX;
use event::money::{AmountFault, DecimalMark};
use serde_json::value::RawValue;

/// Most names that one call may carry; a cart of 200 lines in a query has about 1,000.
pub(crate) const FIELDS_MAX: usize = 2_048;
/// Longest text of what was sent that is kept beside a refusal.
pub(crate) const SENT_BYTES_MAX: usize = 4_096;
/// Most unknown names that an answer lists.
const UNKNOWN_MAX: usize = 16;
/// Longest name that can be one of ours, such as `itemsubtotal[199]`.
const NAME_BYTES_MAX: usize = 32;
/// Most digits of a name that is none of ours and is kept: fewer than any number that tells a person.
const NAME_DIGITS_MAX: usize = 4;
/// Largest index of a line given as single parameters.
const LINE_INDEX_MAX: u16 = 9_999;

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $word:literal $(| $alias:literal)*;)*) => {
        /// A field of a conversion that has one value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Field {
            $($(#[$doc])* $name,)*
        }

        impl Field {
            /// Every field.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name that we document.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The field that a name in lower case stands for, by our name or an alias that means the same everywhere.
            fn from_name(name: &str) -> Option<Self> {
                match name { $($word $(| $alias)* => Some(Self::$name),)* _ => None }
            }
        }
    };
}

fields! {
    /// The program.
    Program = "program";
    /// A click id of ours.
    ClickId = "click_id" | "clickid" | "cks" | "awc" | "irclickid" | "cjevent" | "eff_cpt" | "dub_id" | "cref";
    /// The merchant's order id.
    OrderId = "order_id" | "orderref" | "txid" | "conversionref" | "invoice_id";
    /// The caller's id of this report.
    ClientEventId = "client_event_id";
    /// What was reached.
    Goal = "goal" | "event" | "eventname";
    /// Value of the goods.
    Amount = "amount" | "montant" | "sale_amount" | "sum";
    /// Its currency.
    Currency = "currency" | "monnaie" | "cur" | "currencycode" | "cnv_currency";
    /// Pending, approved or declined.
    Status = "status";
    /// Number of the caller's version of the order.
    Revision = "revision";
    /// Order lines.
    Items = "items";
    /// Order lines with unit prices.
    CartDetail = "cart_detail";
    /// Sums by commission group.
    Parts = "parts";
    /// A coupon code; a list in JSON.
    Coupon = "coupon" | "coupon_code" | "voucher" | "vc" | "promo_code";
    /// Coupon codes, separated by commas.
    Coupons = "coupons";
    /// The customer.
    CustomerId = "customer_id" | "customerexternalid";
    /// New or returning.
    CustomerType = "customer_type" | "customertype" | "customeracquisition" | "cust_status" | "customerstatus"
        | "newcustomer";
    /// The channel as the merchant sees it.
    Channel = "channel" | "ch";
    /// The visitor's choice.
    Consent = "consent" | "consent_performance" | "trackingconsent";
    /// Whether the TC string applies.
    Gdpr = "gdpr";
    /// The TC string.
    GdprConsent = "gdpr_consent";
    /// When it happened.
    Ts = "ts" | "eventdate" | "eventtime" | "date";
    /// Never paid.
    Test = "test" | "testmode" | "test_mode";
    /// The program's token.
    Token = "token" | "verification_token" | "adv_sectkn";
    /// The id of the signing key.
    Key = "key";
    /// The time of the signature.
    SigTs = "sig_ts";
    /// The caller's nonce.
    SigNonce = "sig_nonce";
    /// The signature.
    Sig = "sig";
    /// A dialect.
    Compat = "compat";
    /// First sub id; the others follow.
    S1 = "s1";
    /// Second sub id.
    S2 = "s2";
    /// Third sub id.
    S3 = "s3";
    /// Fourth sub id.
    S4 = "s4";
    /// Fifth sub id.
    S5 = "s5";
    /// Sixth sub id.
    S6 = "s6";
    /// Seventh sub id.
    S7 = "s7";
    /// Eighth sub id.
    S8 = "s8";
    /// Ninth sub id.
    S9 = "s9";
    /// Tenth sub id.
    S10 = "s10";
}

/// The sub ids, in the order of their numbers.
pub(crate) const SUBS: [Field; SUB_IDS_MAX as usize] = [
    Field::S1,
    Field::S2,
    Field::S3,
    Field::S4,
    Field::S5,
    Field::S6,
    Field::S7,
    Field::S8,
    Field::S9,
    Field::S10,
];

const FIELD_COUNT: usize = Field::ALL.len();

impl Field {
    /// Whether its value is left out of everything that is kept of a call for people to read.
    const fn is_private(self) -> bool {
        matches!(
            self,
            Self::CustomerId | Self::Token | Self::Sig | Self::SigNonce | Self::GdprConsent
        )
    }
}

/// What a parameter of one order line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LinePart {
    /// The whole line as `AW:P|merchant|order|product|name|price|qty|sku|group|category`.
    Basket,
    /// Article.
    Sku,
    /// Category.
    Category,
    /// Commission group.
    Group,
    /// Pieces.
    Qty,
    /// Line total.
    Amount,
    /// Price of a piece.
    UnitAmount,
    /// VAT.
    Tax,
    /// Shipping.
    Shipping,
    /// Discount.
    Discount,
}

/// Which family of names gave a line; two families in one call are two names for one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LineFamily {
    /// `items[0][sku]`.
    Items,
    /// `bd[0]`.
    Basket,
    /// `itemsku[0]`.
    Bracketed,
    /// `item1`, `amt1`, `qty1`.
    Numbered,
}

/// One parameter of one order line.
#[derive(Debug)]
pub(crate) struct LineValue<'a> {
    /// The family of its name.
    pub(crate) family: LineFamily,
    /// The line.
    pub(crate) index: u16,
    /// What it says.
    pub(crate) part: LinePart,
    /// The value.
    pub(crate) value: Value<'a>,
}

/// A value as it came.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// Text, or the word of a JSON boolean.
    Text(Cow<'a, str>),
    /// The text of a JSON number, whose decimal mark is always a dot.
    Number(&'a str),
    /// A JSON list or object.
    Json(&'a RawValue),
}

impl Value<'_> {
    /// The text; none for a list or object.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(text) => Some(text),
            Self::Json(_) => None,
        }
    }

    /// The value as an amount of money.
    ///
    /// # Errors
    /// [`AmountFault`] names the rule that it breaks.
    pub(crate) fn amount(&self, mark: DecimalMark) -> Result<Micros, AmountFault> {
        match self {
            Self::Text(text) => Micros::parse(text.trim(), mark),
            Self::Number(text) => Micros::parse(text, DecimalMark::Dot),
            Self::Json(_) => Err(AmountFault::NotDecimal),
        }
    }

    /// The text that stands for it: trimmed, or the JSON itself.
    pub(crate) fn raw(&self) -> &str {
        match self {
            Self::Text(text) => text.trim(),
            Self::Number(text) => text,
            Self::Json(raw) => raw.get(),
        }
    }
}

#[derive(Debug)]
enum Target {
    Field(Field),
    Line(LineFamily, u16, LinePart),
    Unknown,
}

fn index(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|n| *n <= LINE_INDEX_MAX)
}

fn line_target(name: &str) -> Option<Target> {
    if let Some((stem, rest)) = name.split_once('[') {
        let (number, tail) = rest.split_once(']')?;
        let number = index(number)?;
        let (family, part) = match (stem, tail) {
            ("bd", "") => (LineFamily::Basket, LinePart::Basket),
            ("itemsku", "") => (LineFamily::Bracketed, LinePart::Sku),
            ("itemcategory", "") => (LineFamily::Bracketed, LinePart::Category),
            ("itemquantity", "") => (LineFamily::Bracketed, LinePart::Qty),
            ("itemsubtotal", "") => (LineFamily::Bracketed, LinePart::Amount),
            ("items", tail) => {
                let inner = tail.strip_prefix('[')?.strip_suffix(']')?;
                (LineFamily::Items, line_part(inner)?)
            }
            _ => return None,
        };
        return Some(Target::Line(family, number, part));
    }
    let at = name.find(|c: char| c.is_ascii_digit())?;
    let (stem, number) = name.split_at_checked(at)?;
    let part = match stem {
        "item" => LinePart::Sku,
        "amt" => LinePart::UnitAmount,
        "qty" => LinePart::Qty,
        "dcnt" => LinePart::Discount,
        _ => return None,
    };
    Some(Target::Line(LineFamily::Numbered, index(number)?, part))
}

/// The part of a line that a name in an item object stands for, in lower case.
pub(crate) fn line_part(name: &str) -> Option<LinePart> {
    match name {
        "sku" => Some(LinePart::Sku),
        "category" => Some(LinePart::Category),
        "group" => Some(LinePart::Group),
        "qty" | "quantity" => Some(LinePart::Qty),
        "amount" => Some(LinePart::Amount),
        "unit_amount" => Some(LinePart::UnitAmount),
        "tax" => Some(LinePart::Tax),
        "shipping" => Some(LinePart::Shipping),
        "discount" => Some(LinePart::Discount),
        _ => None,
    }
}

fn target(name: &str) -> Target {
    let mut buffer = [0; NAME_BYTES_MAX];
    let Some(lower) = buffer.get_mut(..name.len()) else {
        return Target::Unknown;
    };
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    let lower = std::str::from_utf8(lower).unwrap_or_default();
    match Field::from_name(lower) {
        Some(field) => Target::Field(field),
        None => line_target(lower).unwrap_or(Target::Unknown),
    }
}

/// How much a call may contradict itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Two names of one field with different values are a fault.
    Refuse,
    /// The first value counts and the report is flagged: pages cannot correct themselves.
    Flag,
}

/// The call carries more than [`FIELDS_MAX`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyFields;

/// Everything that one call said, in the order in which it came.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    slots: [Option<Value<'a>>; FIELD_COUNT],
    lines: Vec<LineValue<'a>>,
    conflicts: Vec<Field>,
    garbled: Vec<Field>,
    unknown: Vec<String>,
    names: usize,
    repeated: bool,
    sent: String,
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Self {
            slots: [const { None }; FIELD_COUNT],
            lines: Vec::new(),
            conflicts: Vec::new(),
            garbled: Vec::new(),
            unknown: Vec::new(),
            names: 0,
            repeated: false,
            sent: String::new(),
        }
    }
}

impl<'a> Fields<'a> {
    /// Adds one name and its value. Empty values count as absent.
    ///
    /// # Errors
    /// [`TooManyFields`] beyond [`FIELDS_MAX`] names.
    pub(crate) fn add(
        &mut self,
        name: Cow<'a, str>,
        value: Value<'a>,
    ) -> Result<(), TooManyFields> {
        self.add_replaced(name, value, false)
    }

    /// The same for a value in which bytes that are no UTF-8 were perhaps replaced.
    ///
    /// # Errors
    /// [`TooManyFields`] beyond [`FIELDS_MAX`] names.
    pub(super) fn add_replaced(
        &mut self,
        name: Cow<'a, str>,
        value: Value<'a>,
        replaced: bool,
    ) -> Result<(), TooManyFields> {
        self.names += 1;
        if self.names > FIELDS_MAX {
            return Err(TooManyFields);
        }
        let target = target(&name);
        self.note(&name, &target, &value);
        match target {
            Target::Unknown => {
                if self.unknown.len() < UNKNOWN_MAX {
                    self.unknown.push(shown_name(&name).to_owned());
                }
            }
            Target::Line(family, index, part) => {
                if !value.raw().is_empty() {
                    self.lines.push(LineValue { family, index, part, value });
                }
            }
            Target::Field(field) => {
                if value.raw().is_empty() {
                    return Ok(());
                }
                if replaced {
                    self.garbled.push(field);
                }
                let Some(slot) = self.slots.get_mut(field as usize) else {
                    return Ok(());
                };
                match slot {
                    None => *slot = Some(value),
                    Some(first) => {
                        self.repeated = true;
                        if first.raw() != value.raw() && !self.conflicts.contains(&field) {
                            self.conflicts.push(field);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, name: &str, target: &Target, value: &Value<'_>) {
        if self.sent.len() >= SENT_BYTES_MAX {
            return;
        }
        if !self.sent.is_empty() {
            self.sent.push('&');
        }
        self.sent.push_str(match target {
            Target::Unknown => shown_name(name),
            Target::Field(_) | Target::Line(..) => name,
        });
        self.sent.push('=');
        let shown = match target {
            Target::Field(field) if field.is_private() => "…",
            Target::Unknown => "…",
            Target::Field(_) | Target::Line(..) => value.raw(),
        };
        let shown = if shown.contains('@') { "…" } else { shown };
        self.sent.push_str(cut(shown, 512));
    }

    /// The value of a field.
    pub(crate) fn value(&self, field: Field) -> Option<&Value<'a>> {
        self.slots.get(field as usize)?.as_ref()
    }

    /// The trimmed text of a field; none if it is absent, or a list or object.
    pub(crate) fn text(&self, field: Field) -> Option<&str> {
        self.value(field)?.text().map(str::trim)
    }

    /// Parameters of order lines.
    pub(crate) fn lines(&self) -> &[LineValue<'a>] {
        &self.lines
    }

    /// Fields that came with two different values; the first one is kept.
    pub(crate) fn conflicts(&self) -> &[Field] {
        &self.conflicts
    }

    /// Fields whose bytes were no UTF-8; characters were replaced.
    pub(crate) fn garbled(&self) -> &[Field] {
        &self.garbled
    }

    /// Whether a field came more than once.
    pub(crate) const fn is_repeated(&self) -> bool {
        self.repeated
    }

    /// Names that are no field of a conversion, as far as they are listed; `…` in place of one that may be personal.
    pub(crate) fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// What was sent, as `name=value&…`, at most [`SENT_BYTES_MAX`] bytes. Values of private and of unknown fields,
    /// whatever looks like an e-mail address, and names that a program would not choose are cut.
    pub(crate) fn sent(&self) -> &str {
        cut(&self.sent, SENT_BYTES_MAX)
    }
}

/// A name that is none of ours, as far as it may be kept: only what looks like the name of a parameter, for broken forms
/// send values in the place of names.
pub(crate) fn shown_name(name: &str) -> &str {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'[' | b']');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let letters = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_name = letters && name.len() <= NAME_BYTES_MAX && digits <= NAME_DIGITS_MAX;
    if is_name && name.bytes().all(plain) { name } else { "…" }
}

/// The first `bytes` bytes of a text, or a little less, so that no character is split.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::{FIELDS_MAX, Field, Fields, LineFamily, LinePart, SENT_BYTES_MAX, Value, cut};

    fn fields(pairs: &[(&'static str, &'static str)]) -> Fields<'static> {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.add((*name).into(), Value::Text((*value).into())).unwrap();
        }
        fields
    }

    #[test]
    fn names_and_aliases_are_read_whatever_their_case() {
        for (name, field) in [
            ("order_id", Field::OrderId),
            ("OrderRef", Field::OrderId),
            ("AWC", Field::ClickId),
            ("Montant", Field::Amount),
            ("CurrencyCode", Field::Currency),
            ("vc", Field::Coupon),
            ("newcustomer", Field::CustomerType),
            ("adv_sectkn", Field::Token),
            ("consent_performance", Field::Consent),
            ("eventDate", Field::Ts),
            ("S10", Field::S10),
        ] {
            assert_eq!(fields(&[(name, " x ")]).text(field), Some("x"), "{name}");
        }
    }

    #[test]
    fn ambiguous_names_are_no_fields() {
        for name in
            ["clickref", "transaction_id", "subid", "cid", "tid", "oid", "ref", "payout", "t", "cr"]
        {
            let fields = fields(&[(name, "x")]);
            assert_eq!(fields.unknown(), [name]);
        }
    }

    #[test]
    fn two_names_with_one_value_agree_and_with_two_values_conflict() {
        let same = fields(&[("order_id", "A"), ("orderref", " A")]);
        assert!(same.conflicts().is_empty() && same.is_repeated());
        let other = fields(&[("order_id", "A"), ("orderref", "B")]);
        assert_eq!(other.conflicts(), [Field::OrderId]);
        assert_eq!(other.text(Field::OrderId), Some("A"));
    }

    #[test]
    fn an_empty_value_is_absent() {
        let fields = fields(&[("order_id", "  "), ("orderref", "B")]);
        assert_eq!(fields.text(Field::OrderId), Some("B"));
        assert!(!fields.is_repeated());
    }

    #[test]
    fn lines_are_known_by_their_families() {
        for (name, family, part) in [
            ("items[3][unit_amount]", LineFamily::Items, LinePart::UnitAmount),
            ("bd[3]", LineFamily::Basket, LinePart::Basket),
            ("ItemSubTotal[3]", LineFamily::Bracketed, LinePart::Amount),
            ("AMT3", LineFamily::Numbered, LinePart::UnitAmount),
        ] {
            let fields = fields(&[(name, "1")]);
            let line = &fields.lines()[0];
            assert_eq!((line.family, line.index, line.part), (family, 3, part), "{name}");
        }
        for name in
            ["items[x][sku]", "items[1]", "bd[]", "bd[10000]", "amt", "amt99999", "items[1][x]"]
        {
            assert!(fields(&[(name, "1")]).lines().is_empty(), "{name}");
        }
    }

    #[test]
    fn what_is_kept_of_a_call_holds_nothing_personal() {
        let fields = fields(&[
            ("order_id", "A1"),
            ("customer_id", "x1"),
            ("token", "secret"),
            ("email", "lea"),
            ("coupon", "lea@shop.example"),
        ]);
        assert_eq!(fields.sent(), "order_id=A1&customer_id=…&token=…&email=…&coupon=…");
    }

    #[test]
    fn a_name_is_kept_only_where_a_program_would_choose_it() {
        for (name, kept) in [
            ("ammount", true),
            ("custom_field15", true),
            ("Order-Total[3]", true),
            ("_ga", true),
            ("lea@shop.example", false),
            ("Léa", false),
            ("jean.dupont", false),
            ("Lea Martin", false),
            ("0612345678", false),
            ("tel0612345678", false),
            ("a1234", true),
            ("a12345", false),
            ("abcdefghijklmnopqrstuvwxyz_abcde", true),
            ("abcdefghijklmnopqrstuvwxyz_abcdef", false),
            ("<script>", false),
            ("", false),
        ] {
            let fields = fields(&[(name, "1")]);
            let shown = if kept { name } else { "…" };
            assert_eq!(fields.unknown(), [shown], "{name}");
            assert_eq!(fields.sent(), format!("{shown}=…"), "{name}");
        }
    }

    #[test]
    fn what_is_kept_of_a_call_is_bounded() {
        let mut fields = Fields::default();
        for _ in 0..FIELDS_MAX {
            fields.add("channel".into(), Value::Text("é".repeat(700).into())).unwrap();
        }
        assert!(fields.sent().len() <= SENT_BYTES_MAX);
        assert!(fields.add("channel".into(), Value::Text("x".into())).is_err());
        assert_eq!(cut("aé", 2), "a");
    }
}
