//! The last calls with their verdict.

use event::Code;

use super::verdict;
use crate::page::html::Html;
use crate::page::{Call, Outcome, Shown};

/// Most of what a call sent on the page. Characters; the last calls of the interface have more.
const SENT_CHARS_MAX: usize = 160;

impl Shown<'_> {
    pub(super) fn calls(&self, html: &mut Html) {
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
        let sent: String = call.sent.chars().take(SENT_CHARS_MAX).collect();
        let more = if sent.len() < call.sent.len() { " …" } else { "" };
        html.tag("<br><span class=\"small\">")
            .text(&sent)
            .text(more)
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
            html.text(&verdict::of_call(self.language, call.code, &call.words));
        }
        if let Some(code) = call.click {
            html.text(" ").text(&verdict::of_click(self.language, code));
        }
        html.tag("</td></tr>\n");
    }
}
