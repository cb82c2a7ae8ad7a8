//! The set-ups of docs/setups.md, each with its recipe: where the edge stands, and how the shop's server reads the click id.

use tests::browser::{Browser, ThirdPartyCookies};
use tests::shop::SHOP;

use crate::site::{FIRST_PARTY, Outcome, Site, Standing};

/// The recipe for nginx, as documented.
fn recipe() -> &'static str {
    let page = include_str!("../../../docs/setups.md");
    let (_, recipe) = page.split_once("```nginx\n").expect("a recipe");
    recipe.split_once("```").expect("its end").0
}

fn land(site: &Site, browser: &Browser, parameters: &[(&str, &str)]) {
    browser.open(&site.shop.blog("shop-review", parameters));
    browser.click("#go");
    browser.wait("return document.title == 'Shop' && window.tagged");
}

/// Domain and name of the edge's cookies.
fn cookies(browser: &Browser) -> Vec<(String, String)> {
    let all = browser.cookies().into_iter().filter(|cookie| cookie.name.contains("sl_"));
    all.map(|cookie| (cookie.domain, cookie.name)).collect()
}

#[test]
fn behind_a_path_of_the_shops_own_host_cookies_are_the_shops_own() {
    let Some(browser) = Browser::start(ThirdPartyCookies::Blocked) else { return };
    let standing = Standing { cookie: "path_prefix = \"/sl\"", proxy: Some(("/sl", recipe())) };
    let Some(site) = Site::stand(SHOP, standing) else { return };
    land(&site, &browser, &[]);
    assert_eq!(cookies(&browser), [], "nobody was asked yet");
    browser.click("#grant");
    let consented = browser.wait("return window.consented");
    assert_eq!(
        consented["reply"]["consent"], "granted",
        "the tag reports behind the path: {consented}"
    );
    let own = ["__Host-sl_c_shop", "__Host-sl_v"].map(|name| (SHOP.to_owned(), name.to_owned()));
    assert_eq!(cookies(&browser), own);
    // The click id is with nobody but the browser: pixel, tag and server share one order.
    browser.open(&site.shop.order("1001", "pixel,tag,server", &[("forget", "1")]));
    browser.wait("return window.pixeled && window.converted");
    site.becomes("1001", 3, Outcome::credited("blog"));
}

#[test]
fn with_a_domain_the_shops_server_reads_the_click_id_from_the_cookie() {
    let Some(browser) = Browser::start(ThirdPartyCookies::Blocked) else { return };
    let standing = Standing { cookie: "domain = \"shop.localhost\"", proxy: None };
    let site = Site::stand(FIRST_PARTY, standing).expect("a site without proxy");
    land(&site, &browser, &[("consent", "granted")]);
    let names = ["__Secure-sl_c_shop", "__Secure-sl_v"];
    let shared = names.map(|name| (format!(".{SHOP}"), name.to_owned()));
    assert_eq!(cookies(&browser), shared);
    browser.open(&site.shop.order("1001", "server", &[("by_cookie", "1")]));
    let reports = site.shop.reports();
    assert_eq!(reports[0]["body"]["click"], "valid", "{reports:?}");
    site.becomes("1001", 1, Outcome::credited("blog"));
    // The control: the visitor refuses, the cookie is gone, and the server has nothing to send.
    browser.wait("return window.tagged");
    let refused = browser.run("return sillage.consent('denied')");
    assert_eq!(refused["consent"], "denied", "{refused}");
    assert_eq!(cookies(&browser), []);
    browser.open(&site.shop.order("1002", "server", &[("by_cookie", "1")]));
    site.becomes("1002", 1, Outcome::NOBODY);
}
