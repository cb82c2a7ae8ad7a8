//! HTML that cannot be broken out of: text goes in escaped, tags are written by this crate alone.

/// A document that grows.
pub(super) struct Html(String);

impl Html {
    pub(super) const fn new() -> Self {
        Self(String::new())
    }

    /// Markup of this crate's own.
    pub(super) fn tag(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text from anywhere, safe between tags and within quoted attributes.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' => self.0.push('\n'),
                // Controls, and what turns the direction of text around.
                c if c.is_control()
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {
                    self.0.push('\u{fffd}');
                }
                c => self.0.push(c),
            }
        }
        self
    }

    /// An attribute with its value.
    pub(super) fn attribute(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.tag(" ").tag(name).tag("=\"").text(value).tag("\"")
    }

    /// A bar of so many of `of` parts.
    pub(super) fn bar(&mut self, part: i128, of: i128) {
        let percent = if of > 0 { (part.clamp(0, of) * 100) / of } else { 0 };
        self.tag("<svg class=\"bar\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect height=\"4\"");
        self.attribute("width", &percent.to_string()).tag("/></svg>");
    }

    pub(super) fn finished(self) -> String {
        self.0
    }
}

/// A query string of these parameters, those without a value left out.
pub(super) fn link(parameters: &[(&str, &str)]) -> String {
    let mut out = String::from("/");
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        out.push(if out.len() == 1 { '?' } else { '&' });
        out.push_str(name);
        out.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Html, link};

    #[test]
    fn text_stays_text() {
        let mut html = Html::new();
        html.tag("<p").attribute("title", "\" onclick='x'").tag(">").text("<b>&\u{202e}\u{7}");
        assert_eq!(
            html.finished(),
            "<p title=\"&quot; onclick=&#39;x&#39;\">&lt;b&gt;&amp;\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn links_carry_any_value() {
        assert_eq!(
            link(&[("order", "BX 1&2"), ("goal", ""), ("lang", "fr")]),
            "/?order=BX%201%262&lang=fr"
        );
    }
}
