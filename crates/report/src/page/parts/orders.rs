//! The newest orders, and the way to a trace.

use super::{money, state_class};
use crate::page::Shown;
use crate::page::html::Html;

impl Shown<'_> {
    pub(super) fn orders(&self, html: &mut Html) {
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
}
