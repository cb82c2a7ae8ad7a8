//! Chromium by the W3C WebDriver protocol: just the commands that the tests use.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{http, skip, wait_for};

/// What a person's browser sends: headless Chromium calls itself so, and would be taken for the machine that it is.
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

const FLAGS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// Whether third-party cookies work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThirdPartyCookies {
    /// As Chromium is delivered.
    Allowed,
    /// Blocked, as in the other browsers.
    Blocked,
}

/// A browser with an empty profile of its own.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: TempDir,
}

/// A cookie as the browser keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Name.
    pub name: String,
    /// Domain.
    pub domain: String,
    /// Value.
    pub value: String,
    /// `HttpOnly`, `Secure` and `SameSite` as one text: `HttpOnly; Secure; SameSite=Lax`.
    pub attributes: String,
}

impl Browser {
    /// Starts a browser; none, with a word about it, where there is no Chromium.
    #[must_use]
    pub fn start(cookies: ThirdPartyCookies) -> Option<Self> {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = started else {
            skip("chromedriver");
            return None;
        };
        let out = BufReader::new(driver.stdout.take().expect("the driver's output"));
        let mut lines = out.lines().map_while(Result::ok);
        let port = lines.by_ref().find_map(|line| {
            line.rsplit_once("successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok()
        });
        // It ends once nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        let address = ([127, 0, 0, 1], port.expect("chromedriver names its port")).into();
        let profile = tempfile::tempdir().expect("make a profile folder");
        let mut browser = Self { driver, address, session: String::new(), _profile: profile };
        let mut arguments: Vec<String> = FLAGS.map(str::to_owned).into();
        arguments.push(format!("--user-agent={USER_AGENT}"));
        arguments.push(format!("--user-data-dir={}", browser._profile.path().display()));
        let blocked = cookies == ThirdPartyCookies::Blocked;
        let options = json!({
            "args": arguments,
            "prefs": {
                "profile.block_third_party_cookies": blocked,
                "profile.cookie_controls_mode": i32::from(blocked),
            },
        });
        let capabilities = json!({
            "capabilities": { "alwaysMatch": {
                "browserName": "chrome",
                "pageLoadStrategy": "normal",
                "goog:chromeOptions": options,
            } }
        });
        let session = browser.send("POST", "/session", &capabilities);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        Some(browser)
    }

    /// Goes to an address and waits until the page is loaded.
    pub fn open(&self, address: &str) {
        self.command("url", &json!({ "url": address }));
    }

    /// The address that the bar shows.
    #[must_use]
    pub fn address(&self) -> String {
        let target = format!("/session/{}/url", self.session);
        self.send("GET", &target, &Value::Null).as_str().unwrap_or_default().to_owned()
    }

    /// Clicks the element of this selector as a person does.
    pub fn click(&self, selector: &str) {
        let found = self.command("element", &json!({ "using": "css selector", "value": selector }));
        let element = found.as_object().and_then(|found| found.values().next());
        let element = element.and_then(Value::as_str).expect("an element");
        self.command(&format!("element/{element}/click"), &json!({}));
    }

    /// Runs a script in the page; a promise is waited for.
    #[must_use]
    pub fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until the script returns something true.
    pub fn wait(&self, script: &str) -> Value {
        wait_for(script, || {
            Some(self.run(script))
                .filter(|value| !matches!(value, Value::Null | Value::Bool(false)))
        })
    }

    /// Every cookie of every site.
    #[must_use]
    pub fn cookies(&self) -> Vec<Cookie> {
        let all = self.protocol("Storage.getCookies", &json!({}));
        let mut cookies: Vec<Cookie> =
            all["cookies"].as_array().into_iter().flatten().map(Cookie::read).collect();
        cookies.sort_by(|a, b| (&a.domain, &a.name).cmp(&(&b.domain, &b.name)));
        cookies
    }

    /// A command of Chromium's own protocol.
    pub fn protocol(&self, method: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", &json!({ "cmd": method, "params": parameters }))
    }

    fn command(&self, name: &str, body: &Value) -> Value {
        self.send("POST", &format!("/session/{}/{name}", self.session), body)
    }

    fn send(&self, method: &str, target: &str, body: &Value) -> Value {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let host = self.address.to_string();
        let json = [("Content-Type", "application/json; charset=utf-8")];
        let reply = http::call(self.address, method, &host, target, &json, &body)
            .unwrap_or_else(|error| panic!("{method} {target}: {error}"));
        assert_eq!(reply.status, 200, "{method} {target}: {}", reply.text());
        reply.json()["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let host = self.address.to_string();
            let target = format!("/session/{}", self.session);
            // The browser may be gone already; the driver is ended in any case.
            let _closed = http::call(self.address, "DELETE", &host, &target, &[], &[]);
        }
        let _ended = self.driver.kill();
        let _status = self.driver.wait();
    }
}

impl Cookie {
    fn read(cookie: &Value) -> Self {
        let text = |key: &str| cookie[key].as_str().unwrap_or_default().to_owned();
        let mut attributes = Vec::new();
        if cookie["httpOnly"] == true {
            attributes.push("HttpOnly".to_owned());
        }
        if cookie["secure"] == true {
            attributes.push("Secure".to_owned());
        }
        attributes.push(format!("SameSite={}", text("sameSite")));
        Self {
            name: text("name"),
            domain: text("domain"),
            value: text("value"),
            attributes: attributes.join("; "),
        }
    }
}
