//! TC strings made bit by bit.

use data_encoding::BASE64URL_NOPAD;
use event::Consent;

use super::{Unreadable, read};
use crate::consent::{Page, Signals};

#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u64, count: usize) -> &mut Self {
        self.0.extend((0..count).rev().map(|bit| bit < 64 && (value >> bit) & 1 == 1));
        self
    }

    fn text(&self) -> String {
        let bytes: Vec<u8> = self
            .0
            .chunks(8)
            .map(|bits| {
                bits.iter().enumerate().fold(0, |byte, (n, bit)| byte | u8::from(*bit) << (7 - n))
            })
            .collect();
        BASE64URL_NOPAD.encode(&bytes)
    }
}

/// A string of policy version 5 that consents to purposes 1 and 7 for `vendors`, disclosed or not.
pub(crate) fn tc_string(vendors: &[u16], disclosed: bool) -> String {
    let mut core = Bits::default();
    core.put(2, 6)
        .put(0, 126)
        .put(5, 6)
        .put(0, 14)
        .put(0b1000_0010 << 16, 24)
        .put(0, 24)
        .put(0, 13);
    ranges(&mut core, vendors);
    let mut text = core.text();
    if disclosed {
        let mut segment = Bits::default();
        segment.put(1, 3);
        ranges(&mut segment, vendors);
        text = text + "." + &segment.text();
    }
    text
}

fn ranges(bits: &mut Bits, vendors: &[u16]) {
    bits.put(vendors.iter().max().copied().unwrap_or(0).into(), 16).put(1, 1);
    bits.put(vendors.len() as u64, 12);
    for vendor in vendors {
        bits.put(0, 1).put((*vendor).into(), 16);
    }
}

fn answer(text: &str, vendor: Option<u16>, page: Page) -> Result<Option<Consent>, Unreadable> {
    let signals = Signals {
        exempt: false,
        choice: None,
        cookie: None,
        granted_click: false,
        gdpr: Some("1"),
        tc_string: Some(text),
        gpc: false,
        dnt: false,
        page,
    };
    read(&signals, vendor)
}

#[test]
fn a_vendor_that_is_disclosed_and_allowed_is_granted() {
    let text = tc_string(&[7, 755], true);
    assert_eq!(answer(&text, Some(755), Page::Partner), Ok(Some(Consent::Granted)));
    assert_eq!(answer(&text, Some(7), Page::Partner), Ok(Some(Consent::Granted)));
    assert_eq!(answer(&text, Some(8), Page::Partner), Ok(Some(Consent::Denied)));
    assert_eq!(answer(&text, None, Page::Partner), Ok(None), "evidence only");
    assert_eq!(answer(&text, None, Page::Merchant), Ok(None), "no publisher segment");
}

#[test]
fn vendors_as_a_bit_field_are_read_too() {
    let mut core = Bits::default();
    core.put(2, 6)
        .put(0, 126)
        .put(4, 6)
        .put(0, 14)
        .put(0b1000_0010 << 16, 24)
        .put(0, 24)
        .put(0, 13);
    core.put(10, 16).put(0, 1).put(0b01_0000_0001, 10);
    let text = core.text();
    for (vendor, consent) in
        [(2, Consent::Granted), (10, Consent::Granted), (1, Consent::Denied), (11, Consent::Denied)]
    {
        assert_eq!(answer(&text, Some(vendor), Page::Partner), Ok(Some(consent)), "{vendor}");
    }
}

#[test]
fn the_publishers_own_purposes_count_on_the_merchants_page_without_a_vendor_id() {
    let publisher = |purposes: u64| {
        let mut segment = Bits::default();
        segment.put(3, 3).put(purposes, 24).put(0, 24);
        tc_string(&[7], true) + "." + &segment.text()
    };
    let both = publisher(0b1000_0010 << 16);
    assert_eq!(answer(&both, None, Page::Merchant), Ok(Some(Consent::Granted)));
    assert_eq!(answer(&both, None, Page::Partner), Ok(None));
    let one = publisher(0b1000_0000 << 16);
    assert_eq!(answer(&one, None, Page::Merchant), Ok(Some(Consent::Denied)));
}

#[test]
fn what_cannot_be_read_or_lacks_disclosure_is_unreadable() {
    let long = "C".repeat(super::TC_STRING_BYTES_MAX + 1);
    for text in ["x", "C", "....", "Bxxx", "C$", &long, &tc_string(&[755], false)] {
        assert_eq!(answer(text, Some(755), Page::Partner), Err(Unreadable), "{text}");
    }
    assert_eq!(answer("", Some(755), Page::Partner), Ok(None));
}
