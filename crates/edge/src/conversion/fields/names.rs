//! Names as callers write them: our fields, their aliases, the parameters of order lines.

use event::body::touch::SUB_IDS_MAX;

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

pub(super) const FIELD_COUNT: usize = Field::ALL.len();

impl Field {
    /// Whether its value is left out of everything that is kept of a call for people to read.
    pub(super) const fn is_private(self) -> bool {
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

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Target {
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

/// What a name stands for, whatever its case.
pub(super) fn target(name: &str) -> Target {
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

/// A name that is none of ours, as far as it may be kept: only what looks like the name of a parameter, for broken forms
/// send values in the place of names.
pub(crate) fn shown_name(name: &str) -> &str {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'[' | b']');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let letters = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_name = letters && name.len() <= NAME_BYTES_MAX && digits <= NAME_DIGITS_MAX;
    if is_name && name.bytes().all(plain) { name } else { "…" }
}
