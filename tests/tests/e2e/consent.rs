//! The visitor's choice, in the pages where it is made.

use serde_json::json;
use tests::browser::{Browser, ThirdPartyCookies};
use tests::shop::SHOP;

use crate::site::{FIRST_PARTY, Outcome, Site};

fn land(site: &Site, browser: &Browser, link: &str, parameters: &[(&str, &str)]) {
    browser.open(&site.shop.blog(link, parameters));
    browser.click("#go");
    browser.wait("return document.title == 'Shop' && window.tagged");
}

/// Names of the edge's cookies in the browser, without prefix.
fn cookies(browser: &Browser) -> Vec<String> {
    let all = browser.cookies().into_iter();
    all.filter_map(|cookie| Some(cookie.name.strip_prefix("__Host-")?.to_owned())).collect()
}

fn landed_with(site: &Site) -> Option<String> {
    let visits = site.shop.visits();
    visits.into_iter().rfind(|visit| visit.address.starts_with(SHOP))?.click_id
}

fn start() -> Option<(Site, Browser)> {
    let browser = Browser::start(ThirdPartyCookies::Blocked)?;
    Some((Site::open(FIRST_PARTY), browser))
}

#[test]
fn unknown_sets_no_cookie_and_the_shops_session_still_attributes() {
    let Some((site, browser)) = start() else { return };
    land(&site, &browser, "shop-review", &[]);
    assert_eq!(cookies(&browser), [""; 0]);
    assert!(landed_with(&site).is_some(), "the click id travels in the address");
    browser.open(&site.shop.order("1001", "server", &[]));
    site.becomes("1001", 1, Outcome::credited("blog"));
}

#[test]
fn a_grant_on_the_landing_page_sets_the_cookies_by_the_answer() {
    let Some((site, browser)) = start() else { return };
    land(&site, &browser, "shop-review", &[]);
    assert_eq!(cookies(&browser), [""; 0]);
    browser.click("#grant");
    browser.wait("return window.consented");
    assert_eq!(cookies(&browser), ["sl_c_shop", "sl_v"]);
    // The pixel carries nothing but the cookies; the server forgot the click id.
    browser.open(&site.shop.order("1001", "pixel,server", &[("forget", "1")]));
    browser.wait("return window.pixeled");
    site.becomes("1001", 2, Outcome::credited("blog"));
}

#[test]
fn a_refusal_on_the_landing_page_expires_the_cookies_and_is_no_evidence() {
    let Some((site, browser)) = start() else { return };
    land(&site, &browser, "shop-review", &[("consent", "granted")]);
    assert_eq!(cookies(&browser), ["sl_c_shop", "sl_v"]);
    browser.click("#deny");
    browser.wait("return window.consented");
    assert_eq!(cookies(&browser), [""; 0]);
    assert_eq!(browser.run("return sillage.click_id === undefined"), true);
    // The shop's session still has the click id, but the visitor's latest word counts.
    browser.open(&site.shop.order("1001", "server", &[]));
    site.becomes("1001", 1, Outcome::refused(411));
}

#[test]
fn denied_has_no_cookie_no_click_id_and_no_candidate_and_is_counted() {
    let Some((site, browser)) = start() else { return };
    let before = site.accepted("click");
    land(&site, &browser, "shop-review", &[("consent", "denied")]);
    assert_eq!(cookies(&browser), [""; 0]);
    assert_eq!(landed_with(&site), None);
    tests::wait_for("the click to be counted", || (site.accepted("click") > before).then_some(()));
    assert_eq!(site.accepted("click"), before + 1);
    browser.open(&site.shop.order("1001", "server", &[]));
    site.becomes("1001", 1, Outcome::NOBODY);
}

#[test]
fn an_order_that_says_denied_is_not_credited_beside_a_consented_click() {
    let Some((site, browser)) = start() else { return };
    land(&site, &browser, "shop-review", &[("consent", "granted")]);
    browser.open(&site.shop.order("1001", "server", &[("consent", "denied")]));
    site.becomes("1001", 1, Outcome::refused(411));
    // The control: the same visitor's order that says nothing.
    browser.open(&site.shop.order("1002", "server", &[]));
    site.becomes("1002", 1, Outcome::credited("blog"));
}

#[test]
fn an_exempt_link_attributes_whatever_is_refused() {
    let Some((site, browser)) = start() else { return };
    browser.protocol("Network.enable", &json!({}));
    browser.protocol("Network.setExtraHTTPHeaders", &json!({ "headers": { "Sec-GPC": "1" } }));
    land(&site, &browser, "shop-cashback", &[("consent", "denied")]);
    assert_eq!(cookies(&browser), ["sl_x_shop"], "only the cookie of the exempt journey");
    browser.click("#deny");
    browser.wait("return window.consented");
    browser.open(&site.shop.order(
        "1001",
        "pixel,server",
        &[("consent", "denied"), ("forget", "1")],
    ));
    browser.wait("return window.pixeled");
    site.becomes("1001", 2, Outcome::credited("cashback"));
}
