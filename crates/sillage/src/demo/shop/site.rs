//! The shop's pages and what their forms do.

use anyhow::Result;

use super::State;
use super::basket::{Consent, Line, Order, PRODUCTS, Product, Session};
use super::door::{Answer, Request};
use super::edge::Call;
use super::paint::{escape, euro, fill, page};
use super::words::Language;

/// The visitor's cookie.
const SESSION: &str = "shop_session";
/// Largest click id that is worth keeping, in bytes.
const CLICK_ID_BYTES_MAX: usize = 256;

/// A visit of the shop.
struct Visit<'a> {
    state: &'a State,
    request: &'a Request,
    language: Language,
    session: &'a str,
}

pub(super) fn answer(state: &State, request: &Request, language: Language) -> Answer {
    let known = request.cookie(SESSION).filter(|id| state.sessions().known(id));
    let new = match known {
        Some(_) => None,
        None => {
            let mut random = [0; 16];
            if getrandom::fill(&mut random).is_err() {
                return Answer::text(500, "no randomness");
            }
            Some(format!("{:032x}", u128::from_le_bytes(random)))
        }
    };
    let session = known.or(new.as_deref()).unwrap_or_default();
    let visit = Visit { state, request, language, session };
    let answer = match request.method() {
        "POST" => visit.act(),
        _ => Ok(visit.show()),
    };
    let answer = answer.unwrap_or_else(|error| {
        tracing::warn!(error = format!("{error:#}"), "the shop does not reach the edge");
        Answer::text(502, "the shop does not reach the edge")
    });
    match &new {
        Some(id) => answer.cookie(format!("{SESSION}={id}; HttpOnly; SameSite=Lax; Path=/")),
        None => answer,
    }
}

impl Visit<'_> {
    fn with<T>(&self, act: impl FnOnce(&mut Session) -> T) -> T {
        act(self.state.sessions().of(self.session))
    }

    /// A form: does what it says, then shows a page.
    fn act(&self) -> Result<Answer> {
        let form = |name: &str| self.request.form(name).unwrap_or_default();
        let path = self.request.path();
        match path {
            "/consent" => {
                self.with(|session| session.answer(&form("answer")));
                let back = form("back");
                let local =
                    back.starts_with('/') && !back.starts_with("//") && !back.contains('\\');
                return Ok(Answer::see(if local { &back } else { "/" }));
            }
            "/basket" => {
                self.with(|session| session.change(&form("product"), form("do") == "add"));
                return Ok(Answer::see("/basket"));
            }
            "/buy" => return self.buy(form("pixel") == "on", form("server") == "on"),
            _ => {}
        }
        let Some((id, act)) = path.strip_prefix("/order/").and_then(|rest| rest.split_once('/'))
        else {
            return Ok(Answer::text(404, "no such form"));
        };
        let place = form("line").parse::<usize>().ok().and_then(|line| line.checked_sub(1));
        let order = self.with(|session| {
            let order = session.order(id)?;
            match act {
                "return" => order.lines.get_mut(place?)?.returned = true,
                "cancel" => order.cancelled = true,
                _ => return None,
            }
            Some(order.clone())
        });
        let Some(order) = order else { return Ok(Answer::text(404, "no such order")) };
        match act {
            "return" => self.state.place.returned(&order)?,
            _ => self.state.place.cancelled(&order)?,
        }
        Ok(Answer::see(&format!("/order/{id}")))
    }

    fn buy(&self, pixel: bool, server: bool) -> Result<Answer> {
        let (order, click_id, consent) = {
            let mut sessions = self.state.sessions();
            let Some(order) = sessions.buy(self.session, pixel, server) else {
                return Ok(Answer::see("/basket"));
            };
            let session = sessions.of(self.session);
            (order, session.click_id.clone(), session.consent)
        };
        if server {
            self.state.place.report(&order, click_id.as_deref(), consent)?;
        }
        Ok(Answer::see(&format!("/order/{}", order.id)))
    }

    fn show(&self) -> Answer {
        let landed = self.request.query("sl_click").filter(|id| id.len() <= CLICK_ID_BYTES_MAX);
        if let Some(click_id) = landed {
            self.with(|session| session.click_id = Some(click_id));
        }
        let path = self.request.path();
        let (title, body) = match path {
            "/basket" => ("basket", self.basket()),
            _ => match path.strip_prefix("/order/") {
                None => ("shop_title", self.landing()),
                Some(id) => match self.with(|session| session.order(id).cloned()) {
                    Some(order) => ("thanks", self.thanks(&order)),
                    None => return Answer::text(404, "no such order"),
                },
            },
        };
        self.page(title, &body)
    }

    fn page(&self, title: &str, body: &str) -> Answer {
        let (tag, language, path) = (&self.state.place.tag, self.language, self.request.path());
        let (pieces, asked) =
            self.with(|session| (session.pieces(), session.consent != Consent::Unasked));
        let program = self.state.place.program();
        let head = format!(
            "<script src=\"/shop.js\" defer></script>\n\
             <script src=\"{tag}/t/{program}.js\" async></script>"
        );
        let pieces = pieces.to_string();
        let top = fill(include_str!("../pages/shop-top.html"), language, &[("pieces", &pieces)]);
        let banner = match asked {
            true => String::new(),
            false => {
                let back = [("path_back", &*escape(path))];
                fill(include_str!("../pages/banner.html"), language, &back)
            }
        };
        let policy = format!(
            "default-src 'none'; style-src 'self'; script-src 'self' {tag}; connect-src {tag}; \
             img-src 'self' {tag}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        let body = format!("{body}{banner}");
        page(language, (language.say(title), path), (&head, &body), (&top, policy))
    }

    fn landing(&self) -> String {
        let wanted = self.request.path().strip_prefix("/product/");
        // The product that a deep link names comes first.
        let mut products: Vec<&Product> = PRODUCTS.iter().collect();
        products.sort_by_key(|product| Some(product.id) != wanted);
        let cards = products.into_iter().map(|product| {
            let values = [
                ("id", product.id),
                ("picture", product.picture),
                ("name", &*escape(product.name(self.language))),
                ("text", product.text(self.language)),
                ("price_tag", &*euro(self.language, product.cents)),
                ("chosen", if Some(product.id) == wanted { " chosen" } else { "" }),
            ];
            fill(include_str!("../pages/product.html"), self.language, &values)
        });
        let cards: String = cards.collect();
        fill(include_str!("../pages/landing.html"), self.language, &[("cards", &cards)])
    }

    fn basket(&self) -> String {
        let lines = self.with(|session| session.lines());
        if lines.is_empty() {
            return fill(include_str!("../pages/empty.html"), self.language, &[]);
        }
        let rows = lines.iter().map(|line| self.row(line, &self.remove(line.product)));
        let rows: String = rows.collect();
        let total = euro(self.language, lines.iter().map(Line::cents).sum());
        let values = [("rows", &*rows), ("total_price", &total)];
        fill(include_str!("../pages/basket.html"), self.language, &values)
    }

    fn remove(&self, product: &Product) -> String {
        let name = escape(product.name(self.language));
        fill(
            include_str!("../pages/remove.html"),
            self.language,
            &[("id", product.id), ("name", &name)],
        )
    }

    /// A line with what can be done to it.
    fn row(&self, line: &Line, act: &str) -> String {
        let values = [
            ("name", &*escape(line.product.name(self.language))),
            ("pieces_count", &line.count.to_string()),
            ("line_price", &*euro(self.language, line.cents())),
            ("act", act),
        ];
        fill(include_str!("../pages/row.html"), self.language, &values)
    }

    /// The page behind an order; its first view carries the pixel.
    fn thanks(&self, order: &Order) -> String {
        let (place, language) = (&self.state.place, self.language);
        let pixel = self.with(|session| {
            let (click_id, consent) = (session.click_id.clone(), session.consent);
            let kept = session.order(&order.id)?;
            let first = !std::mem::replace(&mut kept.pixel_shown, true);
            (first && kept.pixel).then(|| place.pixel(order, click_id.as_deref(), consent))
        });
        let pixel = pixel.map_or_else(String::new, |address| {
            format!("<img class=\"pixel\" src=\"{}\" alt=\"\">", escape(&address))
        });
        let rows = order.lines.iter().zip(1_u32..).map(|(line, number)| {
            let act = match (order.cancelled, line.returned) {
                (_, true) => format!("<span class=\"state\">{}</span>", language.say("returned")),
                (true, false) => String::new(),
                (false, false) => {
                    let name = escape(line.product.name(language));
                    let values =
                        [("id", &*order.id), ("line", &*number.to_string()), ("name", &*name)];
                    fill(include_str!("../pages/return.html"), language, &values)
                }
            };
            self.row(line, &act)
        });
        let rows: String = rows.collect();
        let cancel = match order.cancelled {
            true => format!("<p class=\"state\">{}</p>", language.say("cancelled")),
            false => fill(include_str!("../pages/cancel.html"), language, &[("id", &order.id)]),
        };
        let values = [
            ("id", &*order.id),
            ("total_price", &*euro(language, order.cents())),
            ("rows", &*rows),
            ("cancel_form", &*cancel),
            ("pixel_image", &*pixel),
            ("calls", &*self.calls(order)),
            ("admin", &*place.admin),
            ("lang", language.name()),
            ("program", place.program()),
        ];
        fill(include_str!("../pages/thanks.html"), language, &values)
    }

    /// What the edge said to the reports of an order.
    fn calls(&self, order: &Order) -> String {
        if !order.pixel && !order.server {
            return format!("<p>{}</p>", self.language.say("unreported"));
        }
        let Ok(calls) = self.state.place.calls(&order.id) else {
            return format!("<p>{}</p>", self.language.say("unheard"));
        };
        let rows = calls.iter().map(|call| self.call(call));
        format!("<ul class=\"calls\">{}</ul>", rows.collect::<String>())
    }

    fn call(&self, call: &Call) -> String {
        let say = |word: &'static str| self.language.say(word);
        let by = match &*call.endpoint {
            "/p" => say("by_pixel"),
            "/v1/conversions" => say("by_server"),
            _ => say("by_orders"),
        };
        let stored = call.result == "stored";
        let why = match stored {
            true => String::new(),
            false => format!(
                " {} {}: <span lang=\"en\">{}</span>",
                call.code,
                escape(&call.slug),
                escape(&call.words)
            ),
        };
        let click = match (&*call.endpoint, &*call.click) {
            ("/v1/orders", _) => "",
            (_, "valid") => say("click_valid"),
            (_, "absent") => say("click_absent"),
            _ => say("click_wrong"),
        };
        let (class, word) = if stored { ("good", "stored") } else { ("bad", "refused") };
        format!(
            "<li><strong>{by}</strong> <span class=\"{class}\">{}</span>{why} {click}</li>",
            say(word)
        )
    }
}

impl Session {
    /// The banner's answer. Who refuses is not followed: the click id is forgotten.
    fn answer(&mut self, word: &str) {
        match word {
            "granted" => self.consent = Consent::Granted,
            "denied" => {
                self.consent = Consent::Denied;
                self.click_id = None;
            }
            _ => self.consent = Consent::Closed,
        }
    }
}
