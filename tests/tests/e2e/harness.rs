//! The harness itself: what the other tests take for granted about the browser.

use tests::browser::{Browser, ThirdPartyCookies};
use tests::shop::{Edge, Shop};

#[test]
fn names_under_localhost_are_sites_of_their_own_and_keep_secure_cookies() {
    let Some(browser) = Browser::start(ThirdPartyCookies::Allowed) else { return };
    let shop = Shop::start();
    let address = ([127, 0, 0, 1], 1).into();
    let host = "edge.localhost".to_owned();
    shop.open(Edge { address, host, program: "shop".to_owned(), token: String::new() });
    browser.open(&shop.origin());
    assert_eq!(browser.run("return window.isSecureContext"), true);
    let cookies = browser.cookies();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    assert_eq!(cookies[0].domain, "shop.localhost");
    assert_eq!(cookies[0].attributes, "HttpOnly; SameSite=Lax");
    browser.open(&shop.blog("review", &[]));
    browser.click("#go");
    assert!(browser.address().contains("/c/review"), "{}", browser.address());
}

#[test]
fn a_server_starts_is_killed_starts_again_and_stops_in_order() {
    let mut site = crate::site::Site::open(crate::site::FIRST_PARTY);
    assert_eq!(site.server.admin("/livez").status, 200);
    site.server.kill();
    site.server.restart();
    let status = site.server.stop();
    assert!(status.success(), "{status}: {}", site.server.log());
}
