//! The harness itself: what the other tests take for granted about the browser.

use tests::browser::{Browser, ThirdPartyCookies};
use tests::shop::{Edge, Shop};

use crate::site::{FIRST_PARTY, Site};

#[test]
fn names_under_localhost_are_sites_of_their_own_and_keep_secure_cookies() {
    let Some(browser) = Browser::start(ThirdPartyCookies::Allowed) else { return };
    let shop = Shop::start();
    let address = ([127, 0, 0, 1], 1).into();
    let host = "edge.localhost".to_owned();
    let (port, program) = (1, "shop".to_owned());
    shop.open(Edge { address, host, port, path: String::new(), program, token: String::new() });
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
    let mut site = Site::open(FIRST_PARTY);
    assert_eq!(site.server.admin("/livez").status, 200);
    site.server.kill();
    site.server.restart();
    let status = site.server.stop();
    assert!(status.success(), "{status}: {}", site.server.log());
}

#[test]
fn cookies_of_an_image_on_another_site_are_kept_only_where_the_browser_allows_them() {
    for (cookies, kept) in [(ThirdPartyCookies::Allowed, 1), (ThirdPartyCookies::Blocked, 0)] {
        let Some(browser) = Browser::start(cookies) else { return };
        let site = Site::open(FIRST_PARTY);
        let image = [("mode", "impression"), ("consent", "granted")];
        browser.open(&site.shop.blog("lenient-review", &image));
        tests::wait_for("the impression", || (site.accepted("impression") == 1).then_some(()));
        let found = browser.cookies();
        let ours: Vec<_> = found.iter().filter(|cookie| cookie.name.contains("sl_")).collect();
        assert_eq!(ours.len(), kept, "{cookies:?}: {found:?}");
        for cookie in ours {
            assert_eq!(cookie.attributes, "HttpOnly; Secure; SameSite=None");
        }
        // A program that did not ask for cookies on other sites sets none there in any browser.
        browser.open(&site.shop.blog("shop-review", &image));
        tests::wait_for("the impression", || (site.accepted("impression") == 2).then_some(()));
        assert_eq!(browser.cookies().len(), kept, "{cookies:?}");
    }
}
