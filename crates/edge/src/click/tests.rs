//! Clicks over HTTP.

use event::{Body, Consent, Flag, Topic};

use crate::harness::Starting;

#[test]
fn a_click_leads_to_the_destination_with_a_click_id_and_is_an_event() {
    let edge = Starting::default().start();
    let answer = edge.get("/c/l1?s1=hello&s2=x", &[]);
    assert_eq!(answer.status, 302, "{answer:?}");
    let location = answer.header("location").unwrap();
    assert!(location.starts_with("https://shop.example/p/1?a=1&sl_click="), "{location}");
    assert!(location.ends_with("&afsrc=1#top"), "{location}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-length"), Some("0"));
    assert_eq!(answer.header("referrer-policy"), Some("strict-origin-when-cross-origin"));
    assert_eq!(answer.header("x-robots-tag"), Some("noindex, nofollow"));
    assert_eq!(answer.header("sillage-recorded"), Some("queued"));
    assert_eq!(answer.cookies(), []);
    for absent in ["etag", "last-modified"] {
        assert_eq!(answer.header(absent), None);
    }
    let events = edge.events(Topic::Touches, 1);
    assert_eq!(events[0].id.to_string(), answer.header("sillage-event").unwrap());
    let Body::Click(touch) = &events[0].body else { panic!("{events:?}") };
    assert_eq!(touch.partner.as_ref().unwrap().as_str(), "lea");
    assert_eq!(touch.subs.get(1), Some("hello"));
    assert_eq!(touch.consent, Consent::Unknown);
    assert_eq!(touch.flags, [] as [Flag; 0]);
    assert_eq!(touch.referrer_host.as_deref(), Some("blog.example.org"));
    assert_eq!(touch.browser.as_deref(), Some("chrome"));
    assert!(touch.ids.is_empty() && touch.private.is_some() && touch.address_hash.is_some());
}
