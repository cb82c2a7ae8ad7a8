//! The figures by partner.

use event::Currency;
use event::body::OrderState;

use super::{count, money, number};
use crate::kpi::ratio;
use crate::page::html::Html;
use crate::page::{PARTNERS_MAX, Shown};
use crate::query::{Basis, Report, ReportRow};
use crate::store::{NOBODY, OWN};

/// Whether a row stands beside the partners.
fn is_aside(row: &ReportRow) -> bool {
    matches!(row.group.as_deref(), Some(OWN | NOBODY) | None)
}

impl Shown<'_> {
    pub(super) fn figures(&self, html: &mut Html) {
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
}
