//! Blog page, click, landing page with the tag, order page, pixel and server: one order, credited once.

use serde_json::json;
use tests::browser::{Browser, Cookie, ThirdPartyCookies};
use tests::shop::SHOP;

use crate::site::{FIRST_PARTY, Outcome, Site, THIRD_PARTY};

/// From the blog to the shop; the blog asked for consent itself and says so in its link, or says nothing.
fn land(site: &Site, browser: &Browser, parameters: &[(&str, &str)]) {
    browser.open(&site.shop.blog("shop-review", parameters));
    browser.click("#go");
    browser.wait("return document.title == 'Shop' && window.tagged");
    assert!(browser.address().starts_with(&site.shop.origin()), "{}", browser.address());
}

fn cookies_of(browser: &Browser, host: &str) -> Vec<Cookie> {
    browser.cookies().into_iter().filter(|cookie| cookie.domain == host).collect()
}

/// Both reports of an order by one customer end in one decision that credits the blog once, with the whole amount.
fn assert_credited_once(site: &Site, order: &str) {
    let decision = site.becomes(order, 2, Outcome::credited("blog"));
    let credits = decision["credits"].as_array().expect("credits");
    assert_eq!(credits.len(), 1, "{decision}");
    assert_eq!(credits[0]["amount"], 49_900_000, "{decision}");
    assert_eq!(credits[0]["subs"]["s1"], "header", "{decision}");
    let sources: Vec<_> = decision["trace"]["members"].as_array().into_iter().flatten().collect();
    assert_eq!(sources.len(), 2, "{decision}");
    assert_eq!(decision["trace"]["source"], "s2s", "the server's report is the canonical one");
}

#[test]
fn under_the_shops_own_site_cookies_alone_attribute() {
    for cookies in [ThirdPartyCookies::Allowed, ThirdPartyCookies::Blocked] {
        let Some(browser) = Browser::start(cookies) else { return };
        let site = Site::open(FIRST_PARTY);
        land(&site, &browser, &[("consent", "granted"), ("s1", "header")]);

        let kept = cookies_of(&browser, FIRST_PARTY);
        let names: Vec<&str> = kept.iter().map(|cookie| &*cookie.name).collect();
        assert_eq!(names, ["__Host-sl_c_shop", "__Host-sl_v"], "{cookies:?}");
        for cookie in &kept {
            assert_eq!(cookie.attributes, "HttpOnly; Secure; SameSite=Lax", "{cookie:?}");
        }

        // Neither the pixel nor the server hands a click id on: the cookies are the evidence.
        browser.open(&site.shop.order("1001", "pixel,server", &[("forget", "1")]));
        browser.wait("return window.pixeled");
        assert_credited_once(&site, "1001");
        let reports = site.shop.reports();
        assert_eq!(reports[0]["status"], 200, "{reports:?}");
        assert_eq!(reports[0]["body"]["click"], "absent", "{reports:?}");
    }
}

#[test]
fn under_a_site_of_its_own_the_click_id_alone_attributes() {
    for cookies in [ThirdPartyCookies::Allowed, ThirdPartyCookies::Blocked] {
        let Some(browser) = Browser::start(cookies) else { return };
        let site = Site::open(THIRD_PARTY);
        land(&site, &browser, &[("consent", "granted"), ("s1", "header")]);
        browser.open(&site.shop.order("1001", "pixel,server", &[("hand_on", "1")]));
        browser.wait("return window.pixeled");
        assert_credited_once(&site, "1001");

        // The control: the same pages, and nobody hands the click id on.
        let order = site.shop.order("1002", "pixel,server", &[("forget", "1")]);
        browser.open(&order);
        browser.wait("return window.pixeled");
        site.becomes("1002", 1, Outcome::NOBODY);
    }
}

#[test]
fn the_tag_reports_an_order_with_the_id_that_a_retry_repeats() {
    let Some(browser) = Browser::start(ThirdPartyCookies::Blocked) else { return };
    let site = Site::open(FIRST_PARTY);
    land(&site, &browser, &[("consent", "granted"), ("s1", "header")]);
    browser.open(&site.shop.order("1001", "tag", &[]));
    let converted = browser.wait("return window.converted");
    assert_eq!(converted["reply"]["result"], "stored", "{converted}");
    let id = converted["order"]["client_event_id"].as_str().expect("an id of the event");
    assert_eq!(id.len(), 32, "{id}");
    let again = browser.run(
        "var order = arguments[0] || window.converted.order; return sillage.conversion(order).then(function () { return order; })",
    );
    assert_eq!(again["client_event_id"], id, "a retry sends the same id");
    site.becomes("1001", 2, Outcome::credited("blog"));
}

#[test]
fn the_click_id_leaves_the_address_bar_and_stays_with_the_shops_server() {
    let Some(browser) = Browser::start(ThirdPartyCookies::Blocked) else { return };
    let site = Site::open(FIRST_PARTY);
    land(&site, &browser, &[("s1", "header")]);
    assert!(!browser.address().contains("sl_click"), "{}", browser.address());
    let landed = site.shop.visits().into_iter().find(|visit| visit.address.starts_with(SHOP));
    let click_id = landed.and_then(|visit| visit.click_id).expect("the server read the click id");
    assert_eq!(click_id.len(), 75, "{click_id}");
    assert_eq!(browser.run("return sillage.click_id"), *click_id, "the tag has it in memory");
    assert_eq!(browser.run("return localStorage.length + sessionStorage.length"), 0);
    // A form field that the page fills from the tag, for a shop whose server keeps no session.
    let field = browser.run("return sillage.click_id");
    let order =
        json!({ "order_id": "1001", "amount": "49.90", "currency": "EUR", "click_id": field });
    assert_eq!(site.edge("shop").report(&order).json()["click"], "valid");
    site.becomes("1001", 1, Outcome::credited("blog"));
}

#[test]
fn a_prerendered_page_tells_of_its_landing_only_when_it_is_shown() {
    // Chromium renders pages of the same site ahead: the shop's own teaser, with a click id in its address.
    let Some(browser) = Browser::start(ThirdPartyCookies::Blocked) else { return };
    let site = Site::open(FIRST_PARTY);
    let click = site.visit("/c/shop-review", &[], "");
    let landing = click.header("location").expect("a landing page").to_owned();
    browser.open(&site.shop.order("0", "", &[]));
    let before = site.accepted("landing");
    let rendered = site.shop.visits().len();
    let rules = format!(
        "var s = document.createElement('script'); s.type = 'speculationrules'; \
         s.textContent = JSON.stringify({{prerender: [{{source: 'list', urls: ['{landing}']}}]}}); \
         document.head.append(s); return true;"
    );
    assert_eq!(browser.run(&rules), true);
    tests::wait_for("the page to be rendered ahead", || {
        let visits = site.shop.visits();
        visits[rendered..].iter().any(|visit| visit.purpose.contains("prerender")).then_some(())
    });
    assert_eq!(site.accepted("landing"), before, "nobody has seen it");
    let shown = site.shop.visits().len();
    let _gone = browser.run(&format!("location.href = '{landing}'"));
    tests::wait_for("the landing", || (site.accepted("landing") > before).then_some(()));
    assert_eq!(site.shop.visits().len(), shown, "the page rendered ahead is the one that is shown");
}
