//! Every page that a person sees, in both languages and on a phone's width: nothing in the way of those who see, hear or
//! move otherwise, and nothing that is wider than the screen.
//!
//! `SILLAGE_PICTURES=DIR` keeps a picture of each.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;
use std::{env, fs};

use data_encoding::BASE64;
use serde_json::json;
use tests::browser::{Browser, ThirdPartyCookies};
use tests::demo::Demo;
use tests::server::binary;
use tests::{skip, wait_for};

/// A phone and a desk, in CSS pixels.
const WIDTHS: [u32; 2] = [390, 1280];

/// The rules, as `cargo xtask test` brings them.
fn axe() -> Option<String> {
    let target = binary().ancestors().nth(2).expect("the target folder");
    let rules = fs::read_to_string(target.join("axe/node_modules/axe-core/axe.min.js")).ok();
    if rules.is_none() {
        skip("axe-core (cargo xtask test brings it)");
    }
    rules
}

struct Looking<'t> {
    browser: &'t Browser,
    axe: &'t str,
    pictures: Option<PathBuf>,
    faults: Vec<String>,
}

impl Looking<'_> {
    /// Looks at the page that is open, on each width.
    fn look(&mut self, name: &str) {
        for width in WIDTHS {
            let name = format!("{name}-{width}");
            let size = json!({ "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500 });
            self.browser.protocol("Emulation.setDeviceMetricsOverride", &size);
            self.browser.wait("return document.readyState == 'complete'");
            if let Some(folder) = &self.pictures {
                let whole = json!({ "captureBeyondViewport": true });
                let shot = self.browser.protocol("Page.captureScreenshot", &whole);
                let picture = BASE64.decode(shot["data"].as_str().unwrap().as_bytes()).unwrap();
                fs::write(folder.join(format!("{name}.png")), picture).unwrap();
            }
            let wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            let wide = self.browser.run(wide);
            if wide != 0 {
                self.faults.push(format!("{name}: wider than the screen by {wide}"));
            }
            self.browser.protocol("Runtime.evaluate", &json!({ "expression": self.axe }));
            let found = self.browser.run(
                "return axe.run().then(found => found.violations
                   .filter(one => one.impact == 'serious' || one.impact == 'critical')
                   .map(one => one.id + ' at ' + one.nodes.map(node => node.target + ' ' + node.failureSummary).join('; ')))",
            );
            let found = found.as_array().expect("what the rules found");
            self.faults.extend(found.iter().map(|fault| format!("{name}: {fault}")));
        }
    }

    fn open(&mut self, name: &str, address: &str) {
        self.browser.open(address);
        self.look(name);
    }
}

#[test]
fn pages_are_open_to_everybody_and_fit_a_phone() {
    let Some(axe) = axe() else { return };
    let pictures = env::var_os("SILLAGE_PICTURES").map(PathBuf::from);
    let demo = Demo::start();
    for lang in ["fr", "en"] {
        let Some(browser) = Browser::start(ThirdPartyCookies::Blocked) else { return };
        let mut looking = Looking {
            browser: &browser,
            axe: &axe,
            pictures: pictures.clone(),
            faults: Vec::new(),
        };
        let (blog, shop, admin) = (&demo.blog, &demo.shop, format!("http://{}", demo.admin));
        looking.open(&format!("blog-{lang}"), &format!("{blog}/?lang={lang}"));
        browser.click("#deep-link");
        wait_for("the shop", || browser.address().starts_with(shop).then_some(()));
        browser.open(&format!("{shop}/?lang={lang}"));
        looking.look(&format!("shop-{lang}"));
        browser.click("#grant");
        browser.wait("return !document.querySelector('.banner')");
        browser.click("#add-walker");
        browser.wait("return document.querySelector('#buy')");
        looking.look(&format!("basket-{lang}"));
        browser.click("#buy");
        let order = browser.wait("return document.querySelector('#order-id')?.textContent");
        let order = order.as_str().unwrap().to_owned();
        assert_eq!(demo.booked(&order, "pending").1, "lea-voyage");
        browser.open(&browser.address());
        looking.look(&format!("order-{lang}"));
        looking.open(&format!("page-{lang}"), &format!("{admin}/?lang={lang}"));
        let asked = format!("{admin}/?lang={lang}&program=boutique&order=");
        looking.open(&format!("traces-{lang}"), &format!("{asked}{order}"));
        looking.open(&format!("refused-{lang}"), &format!("{asked}nothing-of-that-name"));
        assert_eq!(looking.faults, [""; 0]);
    }
    // The rules see what they should.
    let Some(browser) = Browser::start(ThirdPartyCookies::Blocked) else { return };
    let mut looking = Looking { browser: &browser, axe: &axe, pictures: None, faults: Vec::new() };
    let bad = "data:text/html,<html><body><p style='color:%23ccc;width:2000px'>pale and wide</p></body></html>";
    looking.open("bad", bad);
    for fault in ["color-contrast", "document-title", "html-has-lang", "wider than the screen"] {
        assert!(
            looking.faults.iter().any(|found| found.contains(fault)),
            "{fault}: {:?}",
            looking.faults
        );
    }
    demo.stop();
}
