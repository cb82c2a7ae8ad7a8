//! Where clicks lead, and where they never lead.

use data_encoding::BASE64URL_NOPAD;
use event::keys::Secret;

use crate::harness::{Running, Starting};
use crate::keys::hmac_cut;

fn edge() -> Running {
    Starting::default().start()
}

/// The location of a click on `target`, with the click id replaced by `ID`.
fn location(edge: &Running, target: &str) -> String {
    let answer = edge.get(target, &[]);
    assert_eq!(answer.status, 302, "{target}: {answer:?}");
    let location = answer.header("location").unwrap();
    let mut out = String::new();
    let mut rest = location;
    for name in ["sl_click=", "?c="] {
        if let Some((before, after)) = rest.split_once(name) {
            out = out + before + name + "ID";
            rest = after.get(event::token::TOKEN_CHARS..).unwrap();
        }
    }
    out + rest
}

#[test]
fn macros_are_filled_in_and_encoded_for_their_place() {
    let edge = edge();
    let found = edge.get("/c/macro?s1=a%2Fb%3F%23&s2=%0d%0aX:&pcid=%26x%3D1&s3=unused", &[]);
    let location = found.header("location").unwrap();
    let id = found.location("sl_click").unwrap();
    assert_eq!(
        location,
        format!(
            "https://shop.example/a%2Fb%3F%23/x?c={id}&p=lea&l=macro&d=desktop&t=1793664000&pc=%26x%3D1&cr=banner&co=&sl_click={id}&afsrc=1#%0D%0AX%3A"
        )
    );
}

#[test]
fn an_allowed_deep_link_is_written_anew_and_ours_is_set_last() {
    let edge = edge();
    for (to, expected) in [
        ("https%3A%2F%2Fshop.example%2Fa", "https://shop.example/a?sl_click=ID&afsrc=1"),
        (
            "https://shop.example/a?x=1&y=2%23f",
            "https://shop.example/a?x=1&y=2%23f&sl_click=ID&afsrc=1",
        ),
        (
            "https%3A%2F%2Fshop.example%2Fa%3Fx%3D1%23f",
            "https://shop.example/a?x=1&sl_click=ID&afsrc=1#f",
        ),
        (
            "https:%5C%5Cshop.example%5C%40evil.example",
            "https://shop.example/@evil.example?sl_click=ID&afsrc=1",
        ),
        (
            "https%3A%2F%2FWWW.Shop.Example%2F..%2Fa%20b",
            "https://www.shop.example/a%20b?sl_click=ID&afsrc=1",
        ),
        (
            "https%3A%2F%2Fb%C3%BCcher.example%2F",
            "https://xn--bcher-kva.example/?sl_click=ID&afsrc=1",
        ),
        ("https%3A%2F%2Fshop.example%3A8443%2F", "https://shop.example:8443/?sl_click=ID&afsrc=1"),
        (
            "https%3A%2F%2Fshop.example%2F%3FSL_click%3Dx%26a%3D1%26%2561fsrc%3D2%26sl%255Fclick%3Dz",
            "https://shop.example/?a=1&sl_click=ID&afsrc=1",
        ),
        ("https:%5C%5Cshop.example%5Ca", "https://shop.example/a?sl_click=ID&afsrc=1"),
    ] {
        assert_eq!(location(&edge, &format!("/c/l1?to={to}")), expected, "{to}");
    }
    for alias in ["url", "ued", "destination", "murl", "TO"] {
        let found = location(&edge, &format!("/c/l1?{alias}=https%3A%2F%2Fshop.example%2Fa"));
        assert_eq!(found, "https://shop.example/a?sl_click=ID&afsrc=1");
    }
}

#[test]
fn any_other_deep_link_leads_to_the_stored_destination_and_is_flagged() {
    let edge = edge();
    let stored = "https://shop.example/p/1?a=1&sl_click=ID&afsrc=1#top";
    let refused = [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://shop.example/",
        "https://shop.example@evil.example/",
        "https://user:pw@shop.example/",
        "https://user@shop.example/",
        "https://shop.example.evil.example/",
        "https://evilshop.example/",
        "https://shop.example%2eevil.example/",
        "https://shop.example:444/",
        "https:///evil.example/",
        "http:evil.example",
        "https://evil.example#@shop.example/",
        "https://evil.example?@shop.example/",
        "https://evil.example\\.shop.example/",
        "https://sh\top.example/",
        "https://shop.example\u{3002}evil.example/",
        "https://\u{2488}shop.example/",
        "https://[::1]/",
        "https://2130706433/",
        "\u{1}https://evil.example",
        " https://evil.example",
        "https://evil.example/\r\nSet-Cookie: a=b",
        "blob:https://shop.example/x",
        "view-source:https://shop.example",
        "x",
    ];
    for to in refused {
        let mut target = b"/c/l1?to=".to_vec();
        crate::redirect::encode(to, &mut target);
        let target = String::from_utf8(target).unwrap();
        assert_eq!(location(&edge, &target), stored, "{to:?}");
    }
    let events = edge.events(event::Topic::Touches, refused.len());
    for event in events {
        let event::Body::Click(touch) = event.body else { panic!() };
        assert!(touch.flags.contains(&event::Flag::DeeplinkRefused), "{touch:?}");
        assert_eq!(touch.deep_link_host, None);
    }
}

#[test]
fn a_signed_deep_link_leads_off_the_list_until_it_expires() {
    let edge = edge();
    let to = "https://other.example/x";
    let signed = |secret: u8, link: &str, texp: &str| {
        let message = format!("{link}\n{to}\n{texp}");
        let mac: [u8; 16] = hmac_cut(&Secret([secret; 32]), message.as_bytes());
        let sig = BASE64URL_NOPAD.encode(&mac);
        format!("/c/l1?to=https%3A%2F%2Fother.example%2Fx&texp={texp}&tsig={sig}")
    };
    let stored = "https://shop.example/p/1?a=1&sl_click=ID&afsrc=1#top";
    let other = "https://other.example/x?sl_click=ID&afsrc=1";
    assert_eq!(location(&edge, &signed(5, "l1", "1793664001")), other);
    assert_eq!(location(&edge, &signed(5, "l1", "1793664000")), stored, "expired now");
    assert_eq!(location(&edge, &signed(6, "l1", "1793664001")), stored, "another key");
    assert_eq!(location(&edge, &signed(5, "ads", "1793664001")), stored, "another link");
    let unsigned_time = signed(5, "l1", "1793664001").replace("texp=1793664001", "texp=1893664001");
    assert_eq!(location(&edge, &unsigned_time), stored, "another time");
}

#[test]
fn listed_parameters_are_passed_on_and_no_other() {
    let edge = edge();
    let found = location(
        &edge,
        "/c/l1?utm_source=x%20y&gclid=g&other=1&SL_CLICK=evil&afsrc=0&a=2&UTM_Medium=m",
    );
    assert_eq!(
        found,
        "https://shop.example/p/1?a=1&utm_source=x%20y&gclid=g&utm_medium=m&sl_click=ID&afsrc=1#top"
    );
    let kept = location(&edge, "/c/l1?utm_source=mine&to=https://shop.example/?utm_source=theirs");
    assert_eq!(kept, "https://shop.example/?utm_source=theirs&sl_click=ID&afsrc=1");
}

#[test]
fn a_location_that_is_too_long_loses_its_listed_parameters() {
    let edge = edge();
    let long = "%C3%A9".repeat(1340); // as long once encoded again
    let found = location(&edge, &format!("/c/l1?utm_source={long}"));
    assert!(found.contains("utm_source") && found.len() <= 8192);
    let sent = format!("utm_source={}", " ".repeat(2720).replace(' ', "+"));
    let found = location(&edge, &format!("/c/l1?{sent}"));
    assert_eq!(found, "https://shop.example/p/1?a=1&sl_click=ID&afsrc=1#top");
}

#[test]
fn a_deep_link_that_leaves_no_room_for_our_parameters_is_refused() {
    let edge = edge();
    let to = |spaces: usize| {
        let target = format!("/c/l1?to=https%3A%2F%2Fshop.example%2F{}", "+a".repeat(spaces));
        location(&edge, &target)
    };
    let fits = to(1900); // as long as it may be once a space is %20 again
    assert!(fits.starts_with("https://shop.example/%20a") && fits.len() <= 8192, "{fits}");
    assert_eq!(to(2100), "https://shop.example/p/1?a=1&sl_click=ID&afsrc=1#top");
    let events = edge.events(event::Topic::Touches, 2);
    let event::Body::Click(touch) = &events[1].body else { panic!() };
    assert_eq!((&touch.flags, &touch.deep_link_host), (&vec![event::Flag::DeeplinkRefused], &None));
}

#[test]
fn links_that_are_not_available_lead_to_their_fallback_without_a_click_id() {
    let edge = edge();
    for (link, to) in [
        ("off", "https://shop.example/old?from=link"),
        ("ended", "https://shop.example/old?from=link"),
        ("old", "https://shop.example/expired"),
        ("paused1", "https://paused.example/"),
    ] {
        let answer = edge.get(&format!("/c/{link}?consent=granted"), &[]);
        assert_eq!((answer.status, answer.header("location")), (302, Some(to)), "{link}");
        assert_eq!(answer.cookies(), []);
    }
    let flags: Vec<_> = edge
        .events(event::Topic::Touches, 4)
        .into_iter()
        .map(|event| {
            let event::Body::Click(touch) = event.body else { panic!("{event:?}") };
            touch.flags[0].as_str()
        })
        .collect();
    assert_eq!(flags, ["link_disabled", "partner_ended", "link_expired", "program_paused"]);
}

#[test]
fn a_programs_own_parameter_marker_and_policy_are_used() {
    let edge = edge();
    let answer = edge.get("/c/strict1?consent=granted", &[]);
    let location = answer.header("location").unwrap();
    assert!(location.starts_with("https://strict.example/?ref="), "{location}");
    assert!(!location.contains("afsrc"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
}
