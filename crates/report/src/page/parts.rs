//! The parts of the page.

use event::body::OrderState;
use event::{Code, Currency, Millis};

use super::html::{Html, link};
use super::{Call, Outcome, PARTNERS_MAX, Shown, Traced};
use crate::days::Zone;
use crate::kpi::ratio;
use crate::language::{Language, Values};
use crate::query::{Basis, Report, ReportRow};
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

/// Whether a row stands beside the partners.
fn is_aside(row: &ReportRow) -> bool {
    matches!(row.group.as_deref(), Some(OWN | NOBODY) | None)
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
    fn say<'t>(&self, english: &'t str, french: &'t str) -> &'t str {
        self.language.of(english, french)
    }

    /// A link to the page as it is, but for these parameters.
    fn link(&self, changes: &[(&str, &str)]) -> String {
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

    fn header(&self, html: &mut Html) {
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
    fn kept(&self, html: &mut Html, names: &[&'static str]) {
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

    fn partner_title(&self, name: &str) -> String {
        let known = self.names.iter().find(|(known, _)| known.as_str() == name);
        match name {
            OWN => self.say("Own channels", "Canaux propres").to_owned(),
            NOBODY => self.say("Nobody", "Personne").to_owned(),
            _ => known.map_or(name, |(_, title)| title).to_owned(),
        }
    }

    fn figures(&self, html: &mut Html) {
        html.tag("<section aria-labelledby=\"figures\"><h2 id=\"figures\">")
            .text(self.say("Partners", "Partenaires"));
        html.tag("</h2><form method=\"get\" action=\"/\">");
        self.kept(html, &["program", "lang"]);
        let day = |html: &mut Html, name: &'static str, label: &str, value: String| {
            html.tag("<div><label")
                .attribute("for", name)
                .tag(">")
                .text(label)
                .tag("</label><input type=\"date\" required");
            html.attribute("id", name)
                .attribute("name", name)
                .attribute("value", &value)
                .tag("></div>");
        };
        day(html, "from", self.say("From", "Du"), self.request.from.to_string());
        day(html, "to", self.say("To", "Au"), self.request.to.to_string());
        html.tag("<div><label for=\"basis\">")
            .text(self.say("An order counts on the day of its", "Une commande compte le jour de"));
        html.tag("</label><select id=\"basis\" name=\"basis\">");
        for (basis, word) in [
            (Basis::Event, self.say("conversion", "sa conversion")),
            (Basis::Click, self.say("click", "son clic")),
        ] {
            html.tag("<option").attribute("value", basis.as_str());
            if basis == self.request.basis {
                html.tag(" selected");
            }
            html.tag(">").text(word).tag("</option>");
        }
        html.tag("</select></div><button type=\"submit\">")
            .text(self.say("Show", "Afficher"))
            .tag("</button></form>\n");
        match &self.report {
            Ok(report) if report.rows.is_empty() => {
                let text = self.say(
                    "No clicks and no orders on these days.",
                    "Ni clic ni commande ces jours-là.",
                );
                html.tag("<div class=\"card\"><p class=\"empty\">").text(text).tag("</p></div>");
            }
            Ok(report) => self.table(html, report),
            Err(why) => {
                html.tag("<p class=\"alert\" role=\"alert\">").text(why).tag("</p>");
            }
        }
        html.tag("</section>\n");
    }

    fn table(&self, html: &mut Html, report: &Report) {
        let headings = [
            self.say("Clicks", "Clics"),
            self.say("Orders", "Commandes"),
            self.say("Net sales", "Ventes nettes"),
            "Commission",
            self.say("Per click (EPC)", "Par clic (EPC)"),
            self.say("Pending", "En attente"),
            self.say("Declined", "Refusées"),
        ];
        html.tag("<div class=\"card\"><table><caption class=\"hidden\">");
        html.text(self.say("Figures by partner", "Chiffres par partenaire"))
            .tag("</caption><thead><tr><th scope=\"col\">");
        html.text(self.say("Partner", "Partenaire")).tag("</th>");
        for heading in headings {
            html.tag("<th scope=\"col\" class=\"number\">").text(heading).tag("</th>");
        }
        html.tag("</tr></thead><tbody>\n");
        let partners = || report.rows.iter().filter(|row| !is_aside(row));
        let clicks = partners().map(|row| row.figures.clicks).max().unwrap_or(0);
        // Sales of one currency are compared with each other only.
        let sales = |currency: Currency| {
            let same = partners().filter(|row| row.currency == currency);
            same.map(|row| row.figures.credited().net).max().unwrap_or(0)
        };
        for row in report.rows.iter().take(PARTNERS_MAX) {
            let name = row.group.as_deref().unwrap_or(NOBODY);
            html.tag(if is_aside(row) { "<tr class=\"aside\">" } else { "<tr>" });
            html.tag("<th scope=\"row\">").text(&self.partner_title(name));
            if !is_aside(row) {
                html.tag(" <span class=\"small\">").text(name).tag("</span>");
            }
            html.tag("</th>");
            self.cells(
                html,
                row,
                headings,
                (!is_aside(row)).then(|| (clicks, sales(row.currency))),
            );
        }
        html.tag("</tbody><tfoot>");
        for total in &report.total {
            html.tag("<tr><th scope=\"row\">")
                .text(self.say("All partners", "Tous les partenaires"))
                .tag("</th>");
            self.cells(html, total, headings, None);
        }
        html.tag("</tfoot></table></div>");
        let more = report.rows.len().saturating_sub(PARTNERS_MAX);
        if more > 0 {
            html.tag("<p class=\"note\">").text(&format!("+ {more}")).tag("</p>");
        }
    }

    fn cells(
        &self,
        html: &mut Html,
        row: &ReportRow,
        headings: [&str; 7],
        bars: Option<(i128, i128)>,
    ) {
        let (figures, currency, language) = (&row.figures, row.currency, self.language);
        let credited = figures.credited();
        let amount = |amount| format!("{} {currency}", money(language, amount, currency));
        let epc = ratio(credited.commission, figures.clicks * 1_000_000, 4);
        let texts = [
            number(language, &figures.clicks.to_string()),
            count(language, credited.credit),
            amount(credited.net),
            amount(credited.commission),
            epc.map_or_else(|| "–".to_owned(), |text| number(language, &text)),
            count(language, figures.of(OrderState::Pending).credit),
            count(language, figures.of(OrderState::Declined).credit),
        ];
        for (place, (text, heading)) in texts.iter().zip(headings).enumerate() {
            html.tag("<td class=\"number\"").attribute("data-label", heading).tag(">").text(text);
            match (place, bars) {
                (0, Some((most, _))) => html.bar(figures.clicks, most),
                (2, Some((_, most))) => html.bar(credited.net, most),
                _ => {}
            }
            html.tag("</td>");
        }
        html.tag("</tr>\n");
    }

    fn orders(&self, html: &mut Html) {
        html.tag("<section aria-labelledby=\"orders\"><h2 id=\"orders\">")
            .text(self.say("Orders", "Commandes"));
        html.tag("</h2><form method=\"get\" action=\"/\">");
        self.kept(html, &["program", "lang", "from", "to", "basis"]);
        html.tag("<div><label for=\"order\">").text(self.say(
            "Why did this order go where it went? Order id",
            "Pourquoi cette commande est-elle allée là ? Numéro",
        ));
        html.tag("</label><input id=\"order\" name=\"order\" required");
        html.attribute("value", self.query.get("order").unwrap_or_default())
            .tag("></div><button type=\"submit\">");
        html.text(self.say("Show its trace", "Afficher sa trace"))
            .tag("</button></form>\n<div class=\"card\">");
        if self.newest.is_empty() {
            html.tag("<p class=\"empty\">")
                .text(self.say("No order yet.", "Pas encore de commande."))
                .tag("</p>");
        } else {
            self.newest(html);
        }
        html.tag("</div></section>\n");
    }

    fn newest(&self, html: &mut Html) {
        html.tag("<table><caption class=\"hidden\">")
            .text(self.say("The newest orders", "Les dernières commandes"))
            .tag("</caption><thead><tr>");
        let headings = [
            self.say("Order", "Commande"),
            self.say("Time", "Heure"),
            self.say("Net amount", "Montant net"),
            self.say("Credited to", "Attribuée à"),
            self.say("State", "État"),
        ];
        for (place, heading) in headings.iter().enumerate() {
            html.tag(if place == 2 {
                "<th scope=\"col\" class=\"number\">"
            } else {
                "<th scope=\"col\">"
            });
            html.text(heading).tag("</th>");
        }
        html.tag("</tr></thead><tbody>\n");
        let [_, time, amount, credited, state] = headings;
        for order in &self.newest {
            let to = self.link(&[("order", &order.id), ("goal", &order.goal), ("partner", "")]);
            html.tag("<tr><th scope=\"row\"><a")
                .attribute("href", &to)
                .tag(">")
                .text(&order.id)
                .tag("</a></th>");
            html.tag("<td").attribute("data-label", time).tag(">");
            self.time(html, order.converted_at);
            html.tag("</td><td class=\"number\"").attribute("data-label", amount).tag(">");
            html.text(&format!(
                "{} {}",
                money(self.language, order.amount.into(), order.currency),
                order.currency
            ));
            html.tag("</td><td").attribute("data-label", credited).tag(">");
            let partners: Vec<String> =
                order.partners.iter().map(|name| self.partner_title(name)).collect();
            html.text(if partners.is_empty() { self.say("nobody", "personne") } else { "" })
                .text(&partners.join(", "));
            html.tag("</td><td")
                .attribute("data-label", state)
                .tag("><span")
                .attribute("class", state_class(order.state));
            html.tag(">").text(self.language.state(order.state)).tag("</span></td></tr>\n");
        }
        html.tag("</tbody></table>");
    }

    fn time(&self, html: &mut Html, at: Millis) {
        html.tag("<time")
            .attribute("datetime", &at.rfc3339())
            .tag(">")
            .text(&self.zone.minute(at))
            .tag("</time>");
    }

    fn calls(&self, html: &mut Html) {
        html.tag("<section aria-labelledby=\"calls\"><h2 id=\"calls\">")
            .text(self.say("Last calls", "Derniers appels"));
        html.tag("</h2><p class=\"note\">").text(self.say(
            "Conversions and landing reports as they came, with their verdict; at most 50, since this node started.",
            "Conversions et rapports d'arrivée tels que reçus, avec leur verdict ; 50 au plus, depuis le démarrage de ce nœud.",
        ));
        html.tag("</p><div class=\"card\">");
        if self.calls.is_empty() {
            let text = self.say(
                "No call since this node started.",
                "Aucun appel depuis le démarrage de ce nœud.",
            );
            html.tag("<p class=\"empty\">").text(text).tag("</p>");
        } else {
            let headings = [
                self.say("Time", "Heure"),
                self.say("Call", "Appel"),
                self.say("Verdict", "Verdict"),
            ];
            html.tag("<table><caption class=\"hidden\">")
                .text(self.say("Last calls", "Derniers appels"))
                .tag("</caption><thead><tr>");
            for heading in headings {
                html.tag("<th scope=\"col\">").text(heading).tag("</th>");
            }
            html.tag("</tr></thead><tbody>\n");
            for call in &self.calls {
                self.call(html, call);
            }
            html.tag("</tbody></table>");
        }
        html.tag("</div></section>\n");
    }

    fn call(&self, html: &mut Html, call: &Call) {
        html.tag("<tr><td class=\"wide\">");
        self.time(html, call.at);
        html.tag("</td><td class=\"wide\">").text(call.method).text(" ").text(call.path);
        if call.test {
            html.text(self.say(" · test", " · test"));
        }
        html.tag("<br><span class=\"small\">")
            .text(&call.sent)
            .tag("</span></td><td class=\"wide\">");
        let (class, word) = match call.outcome {
            Outcome::Stored => ("state good", self.say("Stored", "Enregistré")),
            Outcome::Rejected => ("state bad", self.say("Refused", "Refusé")),
            Outcome::NotStored => ("state wait", self.say("Not recorded", "Non enregistré")),
        };
        html.tag("<span").attribute("class", class).tag(">").text(word).tag("</span> ");
        if call.code != Code::Ok {
            html.text(&call.code.number().to_string()).text(" ");
        }
        if call.code != Code::Ok {
            let words = match self.language {
                Language::English => call.words.clone(),
                Language::French => french_verdict(call.code, &call.words),
            };
            html.text(&words);
        }
        if let Some(code) = call.click {
            html.text(" ").text(&self.about_click(code));
        }
        html.tag("</td></tr>\n");
    }

    fn about_click(&self, code: Code) -> String {
        match (self.language, code) {
            (Language::French, code) => french_verdict(code, ""),
            (Language::English, Code::ClickUnknownKey) => {
                "The click id is signed with a key that is retired.".to_owned()
            }
            (Language::English, Code::ClickOtherProgram) => {
                "The click belongs to another program.".to_owned()
            }
            (Language::English, Code::ClickFromFuture) => {
                "The click id is dated after it was received.".to_owned()
            }
            (Language::English, _) => "The click id was altered or not made by us.".to_owned(),
        }
    }

    fn trace(&self, html: &mut Html, trace: &Result<Traced, String>) {
        html.tag("<section aria-labelledby=\"trace\"><h2 id=\"trace\">")
            .text(self.say("Trace", "Trace"))
            .tag("</h2>");
        let traced = match trace {
            Ok(traced) => traced,
            Err(why) => {
                html.tag("<p class=\"alert\" role=\"alert\">").text(why).tag("</p></section>");
                return;
            }
        };
        if traced.partners.len() > 1 {
            html.tag("<p class=\"note\">").text(
                self.say("Beside the manager, as seen by: ", "À côté du responsable, vu par : "),
            );
            for (place, name) in traced.partners.iter().enumerate() {
                html.tag(if place > 0 { ", <a" } else { "<a" });
                html.attribute("href", &self.link(&[("partner", name.as_str())]));
                if traced.partner.as_ref().is_some_and(|(shown, _)| shown == name) {
                    html.tag(" aria-current=\"true\"");
                }
                html.tag(">").text(&self.partner_title(name.as_str())).tag("</a>");
            }
            html.tag("</p>");
        }
        html.tag("<div class=\"traces\"><article><h3>")
            .text(self.say("As the manager sees it", "Vu par le responsable"))
            .tag("</h3>");
        self.booked(html, None);
        self.lines(html, &traced.manager);
        html.tag("</article><article><h3>");
        match &traced.partner {
            Some((name, text)) => {
                html.text(self.say("As ", "Vu par ")).text(&self.partner_title(name.as_str()));
                html.text(self.say(" sees it", "")).tag("</h3>");
                self.booked(html, Some(name.as_str()));
                self.lines(html, text);
            }
            None => {
                let text = self.say(
                    "No partner has a part in this order.",
                    "Aucun partenaire n'a de part à cette commande.",
                );
                html.text(self.say("As a partner sees it", "Vu par un partenaire"))
                    .tag("</h3><p>")
                    .text(text)
                    .tag("</p>");
            }
        }
        html.tag("</article></div></section>\n");
    }

    /// What is booked of the traced order: for the manager of everybody, else of one partner.
    fn booked(&self, html: &mut Html, partner: Option<&str>) {
        for (name, booked) in &self.booked {
            if partner.is_some_and(|only| only != name) {
                continue;
            }
            html.tag("<p class=\"booked\"><span")
                .attribute("class", state_class(booked.state))
                .tag(">");
            html.text(self.language.state(booked.state)).tag("</span> ");
            if partner.is_none() {
                html.text(&self.partner_title(name)).text(" · ");
            }
            let amount = |micros: i64| {
                let least = crate::kpi::exact(micros.into(), booked.currency.exponent());
                format!("{} {}", number(self.language, &least), booked.currency)
            };
            html.text(&amount(booked.net)).text(self.say(" net, commission ", " net, commission "));
            html.text(&amount(booked.commission))
                .tag("<br><span class=\"small\">")
                .text(&booked.reason);
            html.tag("</span></p>");
        }
    }

    /// The lines of a trace, each a paragraph, set in as they are, with times in the program's zone.
    fn lines(&self, html: &mut Html, text: &str) {
        html.tag("<div class=\"trace\">");
        for (place, line) in text.lines().filter(|line| !line.trim().is_empty()).enumerate() {
            let depth = (line.len() - line.trim_start().len()) / 2;
            html.tag(match (place, depth) {
                (0, _) => "<p class=\"first\">",
                (_, 0) => "<p>",
                (_, 1) => "<p class=\"in1\">",
                _ => "<p class=\"in2\">",
            });
            html.text(&local_times(line.trim(), &self.zone)).tag("</p>");
        }
        html.tag("</div>");
    }
}

/// The text with its instants in UTC written as minutes of a zone.
fn local_times(text: &str, zone: &Zone) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let instant = rest.get(..24).filter(|text| text.ends_with('Z') && c.is_ascii_digit());
        let read = instant.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let (shown, taken) = match read {
            Some(at) => (zone.minute(Millis(at.as_millisecond())), 24),
            None => (c.to_string(), c.len_utf8()),
        };
        out.push_str(&shown);
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// A verdict about a call in French: the sentence of its code, with what the edge told of it where that is more.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other codes have their sentence in the table"
)]
fn french_verdict(code: Code, words: &str) -> String {
    match code {
        Code::Malformed => format!("Un champ n'a pas pu être lu ({words})"),
        Code::BadSignature => "La signature ou le jeton ne correspond pas à la requête.".to_owned(),
        Code::StaleTimestamp => "La requête est signée pour une heure trop éloignée.".to_owned(),
        Code::UnknownProgram => "Ce programme n'existe pas.".to_owned(),
        Code::TooLarge => format!("Trop grand ({words})"),
        Code::RateLimited => "Trop de requêtes pour cette clé ou adresse.".to_owned(),
        Code::SourceRefused => {
            "Cette clé, adresse ou origine ne peut pas annoncer pour ce programme.".to_owned()
        }
        Code::UnsupportedType => "Ce type de contenu n'est pas lu.".to_owned(),
        Code::Timeout => "La requête est arrivée trop lentement.".to_owned(),
        Code::ClickSignatureInvalid => {
            "L'identifiant de clic a été modifié ou n'est pas de nous.".to_owned()
        }
        Code::ClickUnknownKey => "L'identifiant de clic est signé avec une clé retirée.".to_owned(),
        Code::ClickOtherProgram => "Le clic appartient à un autre programme.".to_owned(),
        Code::ClickFromFuture => "L'identifiant de clic est daté après sa réception.".to_owned(),
        code => Language::French.sentence(code, &Values::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Language, Zone, local_times, number};

    #[test]
    fn instants_are_shown_in_the_programs_zone() {
        let zone = Zone::named("Europe/Paris");
        assert_eq!(
            local_times("Votre clic du 2026-11-03T08:12:00.000Z, né é 2026Z 12", &zone),
            "Votre clic du 2026-11-03 09:12, né é 2026Z 12"
        );
    }

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
