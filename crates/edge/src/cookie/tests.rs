//! Cookies: what is set, and what is read of what browsers and others send.

use catalog::Snapshot;
use catalog::import::{Format, snapshot_of};
use event::{Consent, Millis, VisitorId};
use expect_test::expect;
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{CookieKeys, Cookies, Name, VisitorCookie, write};
use crate::harness::{CATALOG, keys};

const NOW: Millis = Millis(1_793_664_000_000);

fn catalog() -> Snapshot {
    snapshot_of(CATALOG, Format::Toml, NOW).unwrap()
}

fn cookie_keys() -> CookieKeys {
    CookieKeys::new(&keys().identity)
}

fn visitor() -> VisitorCookie {
    VisitorCookie { id: VisitorId([7; 16]), issued: NOW, consent: Consent::Granted }
}

fn headers(lines: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
    }
    headers
}

fn line(program: catalog::ProgramRef<'_>, name: Name, value: &[u8]) -> String {
    let mut line = Vec::new();
    write(&mut line, program, name, value);
    String::from_utf8(line).unwrap() + "\n"
}

fn value_of(cookie: &VisitorCookie) -> String {
    String::from_utf8(cookie_keys().write(cookie, NOW).unwrap().to_vec()).unwrap()
}

#[test]
fn the_attributes_of_every_cookie() {
    let catalog = catalog();
    let program = catalog.program("shop").unwrap();
    let lines = [
        line(program, Name::Visitor, value_of(&visitor()).as_bytes()),
        line(program, Name::Click, b"CLICK"),
        line(program, Name::ExemptClick, b"CLICK"),
        line(program, Name::Visitor, b""),
        line(program, Name::Click, b""),
    ];
    expect![[r#"
        __Host-sl_v=v1.1.BwcHBwcHBwcHBwcHBwcHB2rpJAAB.XTOTKG6De1DjWUi_; Max-Age=2592000; Path=/; Secure; HttpOnly; SameSite=Lax
        __Host-sl_c_shop=CLICK; Max-Age=2592000; Path=/; Secure; HttpOnly; SameSite=Lax
        __Host-sl_x_shop=CLICK; Max-Age=2592000; Path=/; Secure; HttpOnly; SameSite=Lax
        __Host-sl_v=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax
        __Host-sl_c_shop=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax
    "#]]
    .assert_eq(&lines.concat());
}

#[test]
fn a_domain_makes_secure_cookies_and_third_parties_need_none() {
    let text = CATALOG.replacen(
        "time_zone",
        "cookie = { domain = \"shop.example\", third_party = \"unpartitioned\", max_age = \"400d\" }\ntime_zone",
        1,
    );
    let catalog = snapshot_of(&text, Format::Toml, NOW).unwrap();
    let line = line(catalog.program("shop").unwrap(), Name::Click, b"CLICK");
    expect![[r#"
        __Secure-sl_c_shop=CLICK; Max-Age=34560000; Path=/; Secure; HttpOnly; SameSite=None; Domain=shop.example
    "#]]
    .assert_eq(&line);
}

#[test]
fn a_visitor_cookie_comes_back_and_an_altered_one_does_not() {
    let keys = cookie_keys();
    let value = value_of(&visitor());
    assert_eq!(keys.read(&value, NOW), Some(visitor()));
    for at in 0..value.len() {
        for other in ["A", "z", ".", "0", "1", "-"] {
            let mut altered = value.clone();
            altered.replace_range(at..=at, other);
            if altered != value {
                assert_eq!(keys.read(&altered, NOW), None, "{altered}");
            }
        }
    }
}

#[test]
fn a_good_cookie_counts_and_a_bad_one_beside_it_is_noticed() {
    let catalog = catalog();
    let (keys, program) = (cookie_keys(), catalog.program("shop").unwrap());
    let value = value_of(&visitor());
    let line = format!("a=b; __Host-sl_v=v1.1.x.y; ; =; junk;__Host-sl_v=\"{value}\"");
    let headers =
        headers(&[b"\xff\xfe; x", line.as_bytes(), b"__Host-sl_c_shop=C1; __Host-sl_c_shop=C2"]);
    let cookies = Cookies::read(&headers);
    let found = cookies.visitor(&keys, program, NOW);
    assert_eq!((found.cookie, found.bad_mac), (Some(visitor()), true));
    assert_eq!(cookies.clicks(program).collect::<Vec<_>>(), ["C1", "C2"]);
    assert_eq!(cookies.exempt_clicks(program).next(), None);
}

#[test]
fn of_two_good_visitor_cookies_the_one_set_last_counts() {
    let catalog = catalog();
    let (keys, program) = (cookie_keys(), catalog.program("shop").unwrap());
    let older = VisitorCookie { issued: Millis(NOW.0 - 1000), ..visitor() };
    let [newer, older] = [visitor(), older].map(|cookie| value_of(&cookie));
    for line in [
        format!("__Host-sl_v={newer}; __Host-sl_v={older}"),
        format!("__Host-sl_v={older}; __Host-sl_v={newer}"),
    ] {
        let found = Cookies::read(&headers(&[line.as_bytes()])).visitor(&keys, program, NOW);
        assert_eq!(found.cookie, Some(visitor()));
    }
}

#[test]
fn a_ninth_program_gets_no_cookie() {
    let catalog = catalog();
    let line: String =
        (0..7).map(|n| format!("__Host-sl_c_p{n}=x; __Host-sl_x_p{n}=x; ")).collect();
    let program = catalog.program("shop").unwrap();
    let eight = format!("{line}__Host-sl_c_p8=x");
    assert!(Cookies::read(&headers(&[line.as_bytes()])).room_for(program));
    assert!(!Cookies::read(&headers(&[eight.as_bytes()])).room_for(program));
    let own = format!("{line}__Host-sl_c_shop=x");
    assert!(Cookies::read(&headers(&[own.as_bytes()])).room_for(program));
}

#[test]
fn all_cookies_of_eight_programs_stay_below_a_kibibyte_of_values() {
    let value = value_of(&visitor());
    assert!(value.len() + 8 * (event::token::TOKEN_CHARS + "__Host-sl_c_shop=; ".len()) <= 1024);
}

proptest! {
    #[test]
    fn any_header_is_read(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = HeaderValue::from_bytes(&line) {
            let mut headers = HeaderMap::new();
            headers.append(COOKIE, value);
            let catalog = catalog();
            let cookies = Cookies::read(&headers);
            let found = cookies.visitor(&cookie_keys(), catalog.program("shop").unwrap(), NOW);
            prop_assert_eq!(found.cookie, None);
        }
    }

    #[test]
    fn junk_around_our_cookie_does_not_hide_it(before in "[ -:<-~]{0,40}", after in "[ -~]{0,40}") {
        let keys = cookie_keys();
        let value = value_of(&visitor());
        let line = format!("{before}; __Host-sl_v={value}; {after}");
        let headers = headers(&[line.as_bytes()]);
        let catalog = catalog();
        let found = Cookies::read(&headers).visitor(&keys, catalog.program("shop").unwrap(), NOW);
        prop_assert!(found.cookie.is_some());
    }
}
