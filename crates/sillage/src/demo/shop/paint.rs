//! Fills pages: `{{name}}` stands for a value of the page, or for words in the visitor's language.

use super::door::Answer;
use super::words::Language;

/// A text that is safe in markup, between quotes too.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// The template with its values, which are markup already, and its words. What a value says is not read again.
pub(super) fn fill(template: &str, language: Language, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, after)) = behind.split_once("}}") else { break };
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => out.push_str(value),
            None => out.push_str(language.say(name)),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A page in the frame that all share.
pub(super) fn page(
    language: Language,
    (title, path): (&str, &str),
    (head, body): (&str, &str),
    (site, policy): (&str, String),
) -> Answer {
    let other = language.other();
    let values = [
        ("lang", language.name()),
        ("other", other.name()),
        ("other_name", other.own_name()),
        ("title", &*escape(title)),
        ("path", &*escape(path)),
        ("head", head),
        ("body", body),
        ("site", site),
    ];
    Answer::page(fill(include_str!("../pages/frame.html"), language, &values), policy)
}

/// Cents as a price in euro.
pub(super) fn euro(language: Language, cents: u64) -> String {
    let (units, rest) = (cents / 100, cents % 100);
    match language {
        Language::French => format!("{units},{rest:02}\u{a0}€"),
        Language::English => format!("€{units}.{rest:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{escape, euro, fill};
    use crate::demo::shop::words::Language;

    #[test]
    fn values_are_put_in_once_and_words_follow_the_language() {
        let page = "<p>{{x}} {{basket}}</p>";
        let x = [("x", "{{x}}")];
        assert_eq!(fill(page, Language::English, &x), "<p>{{x}} Basket</p>");
        assert_eq!(fill(page, Language::French, &x), "<p>{{x}} Panier</p>");
    }

    #[test]
    fn markup_in_a_text_stays_text() {
        assert_eq!(escape("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }

    #[test]
    fn prices_are_written_as_each_language_does() {
        assert_eq!(euro(Language::English, 8_905), "€89.05");
        assert_eq!(euro(Language::French, 8_905), "89,05\u{a0}€");
    }
}
