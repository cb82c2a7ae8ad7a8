//! An order's trace as the manager and as a partner see it.

use event::Millis;

use super::{number, state_class};
use crate::days::Zone;
use crate::page::html::Html;
use crate::page::{NoTrace, Shown, Traced};

impl Shown<'_> {
    pub(super) fn trace(&self, html: &mut Html, trace: &Result<Traced, NoTrace>) {
        html.tag("<section aria-labelledby=\"trace\"><h2 id=\"trace\">")
            .text(self.say("Trace", "Trace"))
            .tag("</h2>");
        let traced = match trace {
            Ok(traced) => traced,
            Err(why) => {
                let order = self.query.get("order").unwrap_or_default().trim();
                let (before, after) = match why {
                    NoTrace::NotFound => (
                        self.say("There is no decision about order ", "Aucune décision sur la commande "),
                        self.say(
                            ". Is it spelled as the merchant sent it, and was it accepted? The last calls stand below.",
                            ". Est-elle écrite comme le marchand l'a envoyée, et a-t-elle été acceptée ? \
                             Les derniers appels sont plus bas.",
                        ),
                    ),
                    NoTrace::Failed => (
                        self.say("It cannot be looked up now: order ", "Recherche impossible pour l'instant : commande "),
                        self.say("; see the log.", " ; voir le journal."),
                    ),
                };
                html.tag("<p class=\"alert\" role=\"alert\">")
                    .text(before)
                    .text(order)
                    .text(after)
                    .tag("</p></section>");
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

#[cfg(test)]
mod tests {
    use super::{Zone, local_times};

    #[test]
    fn instants_are_shown_in_the_programs_zone() {
        let zone = Zone::named("Europe/Paris");
        assert_eq!(
            local_times("Votre clic du 2026-11-03T08:12:00.000Z, né é 2026Z 12", &zone),
            "Votre clic du 2026-11-03 09:12, né é 2026Z 12"
        );
    }
}
