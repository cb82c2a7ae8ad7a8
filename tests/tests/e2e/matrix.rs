//! State of consent × endpoint → cookie, click id, attribution: the whole table, over plain HTTP.

use std::fmt;

use serde_json::json;
use tests::http::{Reply, field};

use crate::site::{Expected, FIRST_PARTY, Outcome, Site, kept};

/// How a visitor comes, and what may be seen of it at each endpoint.
struct Row {
    state: &'static str,
    program: &'static str,
    link: &'static str,
    query: &'static str,
    header: Option<(&'static str, &'static str)>,
    /// `/c`: cookies set, and whether the landing address has a click id.
    click: (&'static str, bool),
    /// `/i`: cookies set; only in pages of other sites where the program wants that.
    impression: &'static str,
    /// `/v1/conversions` with the click id, if there is one: 0 is credited.
    server: u64,
    /// The same, where the order says `denied`.
    server_denied: u64,
    /// `/p` with the cookies of the click alone; none: the pixel is refused, since nothing proves a click.
    pixel: Option<u64>,
    /// In a browser that blocks cookies: those that the answer to `/v1/clicks` sets where nothing is said; then `/p` with
    /// the click id.
    carried: Option<(&'static str, u64)>,
    /// `/v1/clicks` with `granted`: cookies set that the click had not set; then `/p` with all of them.
    granted_later: Option<(&'static str, u64)>,
    /// `/v1/clicks` with `denied`: cookies expired, those of exempt journeys never; then `/v1/conversions` with the click id.
    denied_later: Option<(&'static str, u64)>,
}

const GRANTED: Row = Row {
    state: "granted",
    program: "shop",
    link: "shop-review",
    query: "consent=granted",
    header: None,
    click: ("c v", true),
    impression: "",
    server: 0,
    server_denied: 411,
    pixel: Some(0),
    carried: Some(("", 0)),
    granted_later: Some(("", 0)),
    denied_later: Some(("c v", 411)),
};

const UNKNOWN: Row = Row {
    state: "unknown",
    query: "",
    click: ("", true),
    pixel: None,
    granted_later: Some(("c v", 0)),
    ..GRANTED
};

const DENIED: Row = Row {
    state: "denied",
    query: "consent=denied",
    click: ("", false),
    server: 201,
    server_denied: 201,
    pixel: None,
    carried: None,
    granted_later: None,
    denied_later: None,
    ..GRANTED
};

const EXEMPT: Row = Row {
    state: "exempt",
    link: "shop-cashback",
    query: "",
    click: ("x", true),
    server_denied: 0,
    denied_later: Some(("c v", 0)),
    ..GRANTED
};

const GPC: Option<(&str, &str)> = Some(("Sec-GPC", "1"));

const TABLE: [Row; 17] = [
    GRANTED,
    UNKNOWN,
    DENIED,
    EXEMPT,
    Row { state: "exempt, refused by parameter", query: "consent=denied", ..EXEMPT },
    Row { state: "exempt, refused by signal", header: GPC, ..EXEMPT },
    Row { state: "exempt, claimed by parameter only", query: "consent=exempt", ..UNKNOWN },
    Row {
        state: "unknown where that is denied",
        program: "strict",
        link: "strict-review",
        query: "",
        ..DENIED
    },
    Row {
        state: "unknown where that is granted",
        program: "lenient",
        link: "lenient-review",
        query: "",
        impression: "v",
        carried: Some(("c v", 0)),
        granted_later: Some(("v", 0)),
        ..GRANTED
    },
    Row { state: "denied by signal", query: "", header: GPC, ..DENIED },
    Row { state: "granted in spite of the signal", header: GPC, ..GRANTED },
    Row {
        state: "granted where the signal wins",
        program: "firm",
        link: "firm-review",
        query: "consent=granted",
        header: GPC,
        ..DENIED
    },
    Row {
        state: "signal where it is ignored",
        program: "lenient",
        link: "lenient-review",
        query: "",
        impression: "v",
        carried: Some(("c v", 0)),
        granted_later: Some(("v", 0)),
        header: GPC,
        ..GRANTED
    },
    Row {
        state: "unknown is granted where signals count",
        program: "easy",
        link: "easy-review",
        query: "",
        carried: Some(("c v", 0)),
        granted_later: Some(("v", 0)),
        ..GRANTED
    },
    Row {
        state: "denied by signal where unknown is granted",
        program: "easy",
        link: "easy-review",
        query: "",
        header: GPC,
        ..DENIED
    },
    Row {
        state: "granted in spite of the signal where unknown is granted",
        program: "easy",
        link: "easy-review",
        header: GPC,
        ..GRANTED
    },
    Row {
        state: "a TC string that cannot be read",
        query: "gdpr=1&gdpr_consent=garbage",
        ..UNKNOWN
    },
];

impl Row {
    fn headers(&self) -> &[(&'static str, &'static str)] {
        self.header.as_slice()
    }

    fn partner(&self) -> &'static str {
        if self.link == "shop-cashback" { "cashback" } else { "blog" }
    }
}

/// The cookies that an answer sets or expires, by their letters, sorted.
fn letters(reply: &Reply, program: &str, expired: bool) -> String {
    let mut letters: Vec<String> = reply
        .cookies()
        .into_iter()
        .filter(|(_, value)| value.is_none() == expired)
        .map(|(name, _)| {
            let name = name.strip_prefix("__Host-sl_").unwrap_or(&name);
            name.strip_suffix(&format!("_{program}")).unwrap_or(name).to_owned()
        })
        .collect();
    letters.sort();
    letters.join(" ")
}

#[test]
fn every_state_at_every_endpoint_sets_what_it_may_and_attributes_what_it_may() {
    let site = Site::open(FIRST_PARTY);
    let (mut wrong, mut orders) = (Vec::new(), Vec::new());
    for row in &TABLE {
        Walk { row, site: &site, wrong: &mut wrong, orders: &mut orders }.run();
    }
    wrong.extend(site.settle(&orders).1);
    assert!(wrong.is_empty(), "{} cells differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// One row on its way through the endpoints.
struct Walk<'a> {
    row: &'a Row,
    site: &'a Site,
    wrong: &'a mut Vec<String>,
    orders: &'a mut Vec<Expected>,
}

impl Walk<'_> {
    fn run(&mut self) {
        let row = self.row;
        let (clicked, click_id) = self.click();
        self.check("/c cookies", letters(&clicked, row.program, false), row.click.0);
        self.check("/c click id", click_id.is_some(), row.click.1);

        let target = format!("/i/{}.gif?{}", row.link, row.query);
        let seen = self.site.visit(&target, row.headers(), "");
        self.check("/i status", seen.status, 200);
        self.check("/i cookies", letters(&seen, row.program, false), row.impression);

        self.report("server", click_id.as_deref(), None, row.server);
        self.report("refused", click_id.as_deref(), Some("denied"), row.server_denied);
        self.pixel("pixel", &kept(&clicked), row.pixel);

        if let Some((set, code)) = row.carried {
            let click_id = self.click().1.unwrap_or_default();
            let told = self.site.land(row.program, &click_id, row.headers(), "", "");
            self.check("landing: status", told.status, 202);
            self.check("landing: cookies", letters(&told, row.program, false), set);
            self.carried(&click_id, code);
        }
        if let Some((set, code)) = row.granted_later {
            let (clicked, click_id) = self.click();
            let before = kept(&clicked);
            let click_id = click_id.unwrap_or_default();
            let told = self.site.land(row.program, &click_id, row.headers(), "granted", &before);
            self.check("granted later: status", told.status, 202);
            self.check("granted later: cookies", letters(&told, row.program, false), set);
            let both: Vec<String> =
                [before, kept(&told)].into_iter().filter(|c| !c.is_empty()).collect();
            self.pixel("granted", &both.join("; "), Some(code));
        }
        if let Some((expired, code)) = row.denied_later {
            let (clicked, click_id) = self.click();
            let click_id = click_id.unwrap_or_default();
            let before = kept(&clicked);
            let told = self.site.land(row.program, &click_id, row.headers(), "denied", &before);
            self.check("denied later: status", told.status, 202);
            self.check("denied later: cookies", letters(&told, row.program, true), expired);
            self.report("denied", Some(&click_id), None, code);
        }
    }

    /// The answer to a click, and its click id.
    fn click(&self) -> (Reply, Option<String>) {
        let target = format!("/c/{}?{}", self.row.link, self.row.query);
        let clicked = self.site.visit(&target, self.row.headers(), "");
        let click_id = field(clicked.header("location").unwrap_or_default(), "sl_click");
        (clicked, click_id)
    }

    /// The shop's server reports an order; `code` is what becomes of it.
    fn report(&mut self, name: &str, click_id: Option<&str>, consent: Option<&str>, code: u64) {
        let order = self.order(name);
        let mut body = json!({
            "order_id": order, "amount": "49.90", "currency": "EUR",
        });
        for (name, value) in [("click_id", click_id), ("consent", consent)] {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        let reply = self.site.edge(self.row.program).report(&body);
        assert_eq!(reply.status, 200, "{}: {}", self.row.state, reply.text());
        self.decided(order, code);
    }

    /// The order page's pixel, with the click id and without cookies.
    fn carried(&mut self, click_id: &str, code: u64) {
        self.show("carried", &format!("&click_id={click_id}"), "", Some(code));
    }

    /// The order page's pixel, with these cookies and nothing else.
    fn pixel(&mut self, name: &str, cookies: &str, code: Option<u64>) {
        self.show(name, "", cookies, code);
    }

    fn show(&mut self, name: &str, parameters: &str, cookies: &str, code: Option<u64>) {
        let order = self.order(name);
        let program = self.row.program;
        let target =
            format!("/p/{program}.gif?order_id={order}&amount=49.90&currency=EUR{parameters}");
        let shown = self.site.visit(&target, self.row.headers(), cookies);
        self.check(&format!("{order}: /p"), shown.status, if code.is_some() { 200 } else { 422 });
        if let (Some(code), 200) = (code, shown.status) {
            self.decided(order, code);
        }
    }

    /// An order id that says where it comes from.
    fn order(&self, name: &str) -> String {
        format!("{}-{name}", self.row.state.replace([' ', ','], "-"))
    }

    /// What becomes of the order, to be asked once all rows are through.
    fn decided(&mut self, order: String, code: u64) {
        let outcome = match code {
            0 => Outcome::credited(self.row.partner()),
            201 => Outcome::NOBODY,
            code => Outcome::refused(code),
        };
        self.orders.push(Expected { program: self.row.program, order, reports: 1, outcome });
    }

    fn check<T: fmt::Debug + PartialEq<U>, U: fmt::Debug>(
        &mut self,
        what: &str,
        found: T,
        expected: U,
    ) {
        if found != expected {
            let state = self.row.state;
            self.wrong.push(format!("{state}: {what}: found {found:?}, expected {expected:?}"));
        }
    }
}
