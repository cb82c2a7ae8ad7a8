//! The demo's own blog and shop in a real browser: from the article to the commission, and back to nothing.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::net::SocketAddr;

use tests::browser::{Browser, ThirdPartyCookies};
use tests::demo::Demo;
use tests::{http, wait_for};

/// Waits until the browser shows a page of the shop whose path begins so.
fn arrives(browser: &Browser, demo: &Demo, path: &str) {
    let wanted = format!("{}{path}", demo.shop);
    wait_for(&wanted, || browser.address().starts_with(&wanted).then_some(()));
    browser.wait("return document.readyState == 'complete'");
}

/// Puts these products into the basket, buys, and answers with the order's id.
fn buy(browser: &Browser, demo: &Demo, products: &[&str]) -> String {
    for product in products {
        browser.open(&format!("{}/", demo.shop));
        browser.click(&format!("#add-{product}"));
        arrives(browser, demo, "/basket");
    }
    browser.click("#buy");
    arrives(browser, demo, "/order/");
    let id = browser.wait("return document.querySelector('#order-id').textContent");
    id.as_str().expect("an id").to_owned()
}

/// What the page says of the calls of its order, after looking again.
fn heard(browser: &Browser, calls: usize) -> String {
    let text = wait_for("the calls", || {
        browser.open(&browser.address());
        let items = "return Array.from(document.querySelectorAll('.calls li'), e => e.innerText).join('\\n')";
        let text = browser.run(items).as_str().unwrap_or_default().to_owned();
        (text.lines().count() == calls).then_some(text)
    });
    assert!(!text.contains("refused"), "{text}");
    text
}

#[test]
fn an_order_of_the_shop_is_credited_falls_by_what_is_returned_and_ends_declined() {
    let Some(browser) = Browser::start(ThirdPartyCookies::Blocked) else { return };
    let demo = Demo::start();

    // Each way into the shop; the deep link's product comes first there.
    browser.open(&format!("{}/?lang=en", demo.blog));
    browser.click("#script-link");
    arrives(&browser, &demo, "/");
    browser.open(&format!("{}/", demo.blog));
    browser.click("#text-link");
    arrives(&browser, &demo, "/");
    browser.open(&format!("{}/", demo.blog));
    browser.click("#deep-link");
    arrives(&browser, &demo, "/product/headphones");
    let first = browser.run("return document.querySelector('.product.chosen button').value");
    assert_eq!(first, "headphones");
    browser.wait("return window.sillage && sillage.loaded");
    assert!(!browser.address().contains("sl_click"), "{}", browser.address());

    browser.click("#grant");
    browser.wait("return !document.querySelector('.banner')");
    let cookies = browser.cookies();
    let ours = cookies.iter().filter(|cookie| cookie.domain == "t.shop.localhost").count();
    assert_eq!(ours, 2, "visitor and click: {cookies:?}");

    // 8 % of 89 and 129; a gift card earns nothing.
    let order = buy(&browser, &demo, &["walker", "headphones", "card"]);
    let text = heard(&browser, 2);
    assert_eq!(text, "Server stored · valid click\nPixel stored · valid click");
    let lea = || "lea-voyage".to_owned();
    assert_eq!(demo.booked(&order, "pending"), (0, lea(), 17_440_000));

    browser.click("#return-1");
    let returned = demo.waits_for(&order, |row| row["code"] == 703);
    assert_eq!(returned, (703, lea(), 10_320_000), "less 8 % of 89");

    browser.wait("return document.querySelector('td .state') && document.querySelector('#cancel')");
    browser.click("#cancel");
    assert_eq!(demo.booked(&order, "declined"), (701, lea(), 0));
    browser.wait("return !document.querySelector('#cancel')");
    heard(&browser, 4);
    demo.stop();
}

#[test]
fn the_shop_works_without_script_and_keeps_a_refusal() {
    let Some(browser) = Browser::start(ThirdPartyCookies::Blocked) else { return };
    let demo = Demo::start();
    let script = |off: bool| {
        let off = serde_json::json!({ "value": off });
        browser.protocol("Emulation.setScriptExecutionDisabled", &off);
    };
    script(true);
    browser.open(&format!("{}/?lang=en", demo.blog));
    browser.click("#script-link");
    browser.click("#onward");
    wait_for("the shop", || browser.address().starts_with(&demo.shop).then_some(()));
    browser.click("#close");
    script(false);
    let order = buy(&browser, &demo, &["card", "walker"]);
    assert_eq!(demo.booked(&order, "pending"), (0, "lea-voyage".to_owned(), 7_120_000));

    // The next visitor refuses, and nobody earns by what is bought then.
    let Some(browser) = Browser::start(ThirdPartyCookies::Blocked) else { return };
    browser.open(&format!("{}/", demo.blog));
    browser.click("#text-link");
    arrives(&browser, &demo, "/");
    browser.wait("return window.sillage && sillage.loaded");
    browser.click("#refuse");
    browser.wait("return !document.querySelector('.banner')");
    let order = buy(&browser, &demo, &["walker"]);
    let (_, partner, commission) = demo.waits_for(&order, |_| true);
    assert_eq!((&*partner, commission), ("", 0));
    demo.stop();
}

#[test]
fn other_hosts_and_oversized_requests_are_turned_away() {
    let demo = Demo::start();
    let port = demo.shop.rsplit(':').next().and_then(|port| port.parse().ok());
    let address: SocketAddr = ([127, 0, 0, 1], port.expect("a port")).into();
    let ask = |method: &str, host: &str, target: &str, body: &[u8]| {
        http::call(address, method, host, target, &[], body).map(|reply| reply.status)
    };
    let shop = demo.shop.trim_start_matches("http://");
    assert_eq!(ask("GET", shop, "/", b"").unwrap(), 200);
    assert_eq!(ask("GET", "evil.example", "/", b"").unwrap(), 421);
    assert_eq!(ask("DELETE", shop, "/", b"").unwrap(), 405);
    assert_eq!(ask("POST", shop, "/order/BD-1/cancel", b"").unwrap(), 404);
    assert_eq!(ask("POST", shop, "/basket", &[b'a'; 16 << 10]).unwrap(), 303);
    assert_eq!(ask("POST", shop, "/basket", &[b'a'; (16 << 10) + 1]).unwrap(), 400);
    demo.stop();
}
