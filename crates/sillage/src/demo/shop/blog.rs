//! The blog: an article with a text link, a deep link, and a link by way of a page that leads on by script.

use super::door::{Answer, Request};
use super::edge::Place;
use super::paint::{escape, fill, page};
use super::words::Language;

/// The partner's link.
const LINK: &str = "lea-home";

pub(super) fn answer(place: &Place, request: &Request, language: Language) -> Answer {
    if request.method() != "GET" {
        return Answer::text(405, "GET");
    }
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; \
                  form-action 'none'; frame-ancestors 'none'";
    let (title, template, head) = match request.path() {
        "/" => ("article", include_str!("../pages/article.html"), ""),
        "/through" => (
            "through_title",
            include_str!("../pages/through.html"),
            "<script src=\"/through.js\" defer></script>",
        ),
        _ => return Answer::text(404, "no such page"),
    };
    let link = |place_of_link: &str, to: Option<&str>| escape(&place.link(LINK, place_of_link, to));
    let values = [
        ("text_link", &*link("text", None)),
        ("deep_link", &*link("deep", Some("/product/headphones"))),
        ("script_link", &*link("script", None)),
    ];
    let body = fill(template, language, &values);
    let site = fill(include_str!("../pages/blog-top.html"), language, &[]);
    page(language, (language.say(title), request.path()), (head, &body), (&site, policy.to_owned()))
}
