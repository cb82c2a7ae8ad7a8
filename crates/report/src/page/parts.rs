//! The parts of the page.

mod calls;
mod figures;
mod orders;
mod trace;
mod verdict;

use event::body::OrderState;
use event::{Currency, Millis};

use super::Shown;
use super::html::{Html, link};
use crate::kpi::ratio;
use crate::language::Language;
use crate::store::{NOBODY, OWN};

/// A number as the language writes it: thousands apart, its own decimal mark.
fn number(language: Language, text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("\u{2212}", digits));
    let (units, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let mut grouped = String::new();
    for (at, digit) in units.chars().enumerate() {
        if at > 0 && (units.len() - at) % 3 == 0 {
            grouped.push_str(language.of(",", "\u{202f}"));
        }
        grouped.push(digit);
    }
    let mark = if decimals.is_empty() { "" } else { language.of(".", ",") };
    format!("{sign}{grouped}{mark}{decimals}")
}

/// An amount in micros, rounded to the minor unit.
fn money(language: Language, amount: i128, currency: Currency) -> String {
    number(language, &ratio(amount, 1_000_000, currency.exponent()).unwrap_or_default())
}

fn count(language: Language, credit: i128) -> String {
    let whole = crate::kpi::exact(credit, 0);
    number(language, &whole)
}

const fn state_class(state: OrderState) -> &'static str {
    match state {
        OrderState::Approved | OrderState::Locked | OrderState::Paid => "state good",
        OrderState::Declined | OrderState::Reversed => "state bad",
        OrderState::Pending | OrderState::Held => "state wait",
    }
}

fn head(html: &mut Html, language: Language, title: &str) {
    html.tag("<!doctype html>\n<html").attribute("lang", language.as_str());
    html.tag("><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    html.tag("<link rel=\"stylesheet\" href=\"/page.css\"><title>")
        .text(title)
        .tag("</title></head><body>\n");
}

/// The page where there is nothing to show, and why.
pub(super) fn nothing(language: Language, why: &str) -> Html {
    let mut html = Html::new();
    head(&mut html, language, "Sillage");
    html.tag("<header><h1>Sillage</h1></header><main><section><p class=\"alert\" role=\"alert\">");
    html.text(why).tag("</p></section></main></body></html>\n");
    html
}

pub(super) fn whole(shown: &Shown<'_>) -> Html {
    let mut html = Html::new();
    let page = shown;
    head(&mut html, page.language, &format!("{} · Sillage", page.title));
    page.header(&mut html);
    html.tag("<main>");
    if let Some(wrong) = &page.wrong {
        html.tag("<section><p class=\"alert\" role=\"alert\">").text(wrong).tag("</p></section>");
    }
    if let Some(trace) = &page.trace {
        page.trace(&mut html, trace);
    }
    page.figures(&mut html);
    page.orders(&mut html);
    page.calls(&mut html);
    html.tag("</main><footer><p>");
    let zone = page.zone.name();
    html.text(page.language.of("Times in ", "Heures de ")).text(zone).text(". ");
    html.text(page.language.of(
        "An order counts among orders while it is pending, approved, locked or paid.",
        "Une commande compte tant qu'elle est en attente, validée, définitive ou payée.",
    ));
    html.tag("</p></footer></body></html>\n");
    html
}

impl Shown<'_> {
    pub(super) fn say<'t>(&self, english: &'t str, french: &'t str) -> &'t str {
        self.language.of(english, french)
    }

    /// A link to the page as it is, but for these parameters.
    pub(super) fn link(&self, changes: &[(&str, &str)]) -> String {
        let program = self.request.program.to_string();
        let names = ["lang", "from", "to", "basis", "order", "goal", "partner"];
        let mut parameters = vec![("program", program.as_str())];
        parameters
            .extend(names.iter().map(|name| (*name, self.query.get(name).unwrap_or_default())));
        for (name, value) in &mut parameters {
            if let Some((_, changed)) = changes.iter().find(|(changed, _)| changed == name) {
                *value = changed;
            }
        }
        link(&parameters)
    }

    pub(super) fn header(&self, html: &mut Html) {
        html.tag("<header><h1>").text(&self.title).tag("</h1><p>");
        html.text(self.say("partner program", "programme de partenaires"));
        html.tag("</p><nav")
            .attribute("aria-label", self.say("Programs and language", "Programmes et langue"))
            .tag(">");
        for program in self.programs.iter().filter(|name| **name != self.request.program) {
            let to = self.link(&[
                ("program", program.as_str()),
                ("order", ""),
                ("goal", ""),
                ("partner", ""),
            ]);
            html.tag("<a").attribute("href", &to).tag(">").text(program.as_str()).tag("</a>");
        }
        let (word, code) = match self.language {
            Language::English => ("Français", "fr"),
            Language::French => ("English", "en"),
        };
        html.tag("<a")
            .attribute("href", &self.link(&[("lang", code)]))
            .attribute("lang", code)
            .attribute("hreflang", code);
        html.tag(">").text(word).tag("</a></nav></header>\n");
    }

    /// Parameters that a form keeps.
    pub(super) fn kept(&self, html: &mut Html, names: &[&'static str]) {
        for name in names {
            let program = self.request.program.as_str();
            let value =
                if *name == "program" { program } else { self.query.get(name).unwrap_or_default() };
            if !value.is_empty() {
                html.tag("<input type=\"hidden\"")
                    .attribute("name", name)
                    .attribute("value", value)
                    .tag(">");
            }
        }
    }

    pub(super) fn partner_title(&self, name: &str) -> String {
        let known = self.names.iter().find(|(known, _)| known.as_str() == name);
        match name {
            OWN => self.say("Own channels", "Canaux propres").to_owned(),
            NOBODY => self.say("Nobody", "Personne").to_owned(),
            _ => known.map_or(name, |(_, title)| title).to_owned(),
        }
    }

    pub(super) fn time(&self, html: &mut Html, at: Millis) {
        html.tag("<time")
            .attribute("datetime", &at.rfc3339())
            .tag(">")
            .text(&self.zone.minute(at))
            .tag("</time>");
    }
}

#[cfg(test)]
mod tests {
    use super::{Language, number};

    #[test]
    fn numbers_are_written_as_the_language_does() {
        let both = |text| (number(Language::English, text), number(Language::French, text));
        assert_eq!(
            both("1234567.50"),
            ("1,234,567.50".into(), "1\u{202f}234\u{202f}567,50".into())
        );
        assert_eq!(both("-999"), ("\u{2212}999".into(), "\u{2212}999".into()));
    }
}
