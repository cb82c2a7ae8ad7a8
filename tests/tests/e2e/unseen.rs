//! Requests that no person made or saw are no clicks.

use tests::browser::{Browser, ThirdPartyCookies};
use tests::http::field;
use tests::shop::SHOP;
use tests::wait_for;

use crate::site::{BROWSER_AGENT, FIRST_PARTY, Outcome, Site, kept};

#[test]
fn head_is_redirected_and_is_no_click() {
    let site = Site::open(FIRST_PARTY);
    let (head, get) = ("HEAD", "GET");
    let link = "/c/shop-review?consent=granted";
    let seen = site.server.call(head, FIRST_PARTY, link, &[BROWSER_AGENT], &[]);
    assert_eq!(seen.status, 302);
    let location = seen.header("location").expect("a location");
    assert_eq!(field(location, "sl_click"), None, "no click id is minted");
    assert_eq!(seen.cookies(), []);
    // The control: the same address by GET.
    let clicked = site.server.call(get, FIRST_PARTY, link, &[BROWSER_AGENT], &[]);
    assert!(field(clicked.header("location").unwrap(), "sl_click").is_some());
    assert_eq!(clicked.cookies().len(), 2);
    // Counts reach the metrics at the next tick of their core; a counted HEAD would have come with this one.
    wait_for("the click", || (site.accepted("click") > 0).then_some(()));
    assert_eq!(site.accepted("click"), 1);
}

#[test]
fn a_prefetched_click_counts_once_its_page_is_shown_and_not_before() {
    let site = Site::open(FIRST_PARTY);
    let ahead = [("Sec-Purpose", "prefetch")];
    let click = site.visit("/c/lenient-review?consent=granted", &ahead, "");
    assert_eq!(click.status, 302);
    assert_eq!(click.header("cache-control"), Some("no-store"));
    let click_id = field(click.header("location").unwrap(), "sl_click").expect("a click id");

    // Only the visitor's cookie speaks for the click: an order that carries its id would be proof that it was seen.
    let cookies = kept(&click);
    let visitor = cookies.split("; ").find(|pair| pair.contains("sl_v=")).expect("a visitor");
    let order = "/p/lenient.gif?order_id=1001&amount=49.90&currency=EUR";
    assert_eq!(site.visit(order, &[], visitor).status, 200);
    site.becomes_in("lenient", "1001", 1, Outcome::NOBODY);

    let told = site.land("lenient", &click_id, &[], "", "");
    assert_eq!(told.status, 202, "{}", told.text());
    // The order is decided again by what is known now.
    site.becomes_in("lenient", "1001", 1, Outcome::credited("blog"));
}

#[test]
fn a_link_that_the_browser_prefetches_is_no_click_until_it_is_followed() {
    let Some(browser) = Browser::start(ThirdPartyCookies::Blocked) else { return };
    let site = Site::open(FIRST_PARTY);
    browser.open(&site.shop.blog("shop-review", &[("consent", "granted"), ("mode", "prefetch")]));
    let ahead = wait_for("the prefetched landing page", || {
        let visits = site.shop.visits();
        visits
            .into_iter()
            .find(|visit| visit.address.starts_with(SHOP) && visit.purpose.contains("prefetch"))
    });
    assert!(ahead.click_id.is_some(), "a click id is minted");
    assert!(site.server.metric("edge_events_flagged_total", "flag=\"prefetch\"") >= 1.0);
    assert_eq!(site.accepted("landing"), 0, "nobody saw it");
    let visitor = browser.cookies().into_iter().any(|cookie| cookie.name.contains("sl_"));
    assert!(!visitor, "a page of another site cannot have cookies set for the edge");

    browser.click("#go");
    browser.wait("return document.title == 'Shop' && window.tagged");
    browser.open(&site.shop.order("1001", "server", &[]));
    site.becomes("1001", 1, Outcome::credited("blog"));
}
