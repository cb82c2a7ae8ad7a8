//! An order reported by the tag where scripts may not fetch, and while the page is left.

use tests::browser::{Browser, ThirdPartyCookies};

use crate::site::{FIRST_PARTY, Outcome, Site};

/// A visitor with cookies, on an order page that reports nothing by itself.
fn start() -> Option<(Site, Browser)> {
    let browser = Browser::start(ThirdPartyCookies::Blocked)?;
    let site = Site::open(FIRST_PARTY);
    browser.open(&site.shop.blog("shop-review", &[("consent", "granted")]));
    browser.click("#go");
    browser.wait("return document.title == 'Shop' && window.tagged");
    Some((site, browser))
}

/// Reports an order by the tag after `prepare` ran in the page, and has it credited by this way.
fn reported(site: &Site, browser: &Browser, (order, prepare): (&str, &str), source: &str) {
    browser.open(&site.shop.order("0", "", &[]));
    browser.wait("return window.tagged");
    let script = format!(
        "{prepare}; return sillage.conversion({{ order_id: '{order}', amount: '49.90', currency: 'EUR' }});"
    );
    let reply = browser.run(&script);
    assert_eq!(reply, serde_json::json!({}), "a reply that no script can read");
    let decision = site.becomes(order, 1, Outcome::credited("blog"));
    assert_eq!(decision["trace"]["source"], source, "{decision}");
}

#[test]
fn where_fetch_is_blocked_an_image_reports_the_order() {
    let Some((site, browser)) = start() else { return };
    let blocked = "window.fetch = function () { return Promise.reject(new TypeError('blocked')); }";
    reported(&site, &browser, ("1001", blocked), "pixel");
    reported(&site, &browser, ("1002", "window.fetch = undefined"), "pixel");
}

#[test]
fn while_the_page_is_left_a_beacon_reports_the_order_and_an_image_where_there_is_none() {
    let Some((site, browser)) = start() else { return };
    let leave = "dispatchEvent(new Event('pagehide'))";
    reported(&site, &browser, ("1001", leave), "tag");
    let refused = format!("navigator.sendBeacon = function () {{ return false; }}; {leave}");
    reported(&site, &browser, ("1002", &refused), "pixel");
    let absent = format!("navigator.sendBeacon = undefined; {leave}");
    reported(&site, &browser, ("1003", &absent), "pixel");
}
