//! What the page shows, and what it never does.

use std::sync::Arc;

use event::body::OrderState;
use event::{Code, Millis, ProgramName};
use telemetry::admin::Query;
use testkit::SteppedClock;

use super::{Beside, Call, NoTrace, Outcome, Page, TraceAsked, Traced};
use crate::build::{
    DAY, HOUR, SHOP, T, booked, catalog, event, in_state, order_key, posting, share, touch,
};
use crate::query::View;
use crate::store::{Fact, Reason, Store};

struct Fixed;

impl Beside for Fixed {
    fn calls(&self, _program: &ProgramName) -> Vec<Call> {
        let call = |outcome, code, words: &str, sent: &str| Call {
            at: Millis(T),
            path: "/v1/conversions",
            method: "POST",
            outcome,
            code,
            words: words.to_owned(),
            click: None,
            sent: sent.to_owned(),
            test: false,
        };
        let mut calls = vec![
            call(Outcome::Stored, Code::Ok, "Stored.", "order_id=BX-1&amount=74.92"),
            call(
                Outcome::Rejected,
                Code::BadSignature,
                "The signature does not match.",
                "<script>alert(1)</script>",
            ),
        ];
        calls[0].click = Some(Code::ClickSignatureInvalid);
        let rest = 160 - calls[1].sent.chars().count();
        calls[1].sent.push_str(&"é".repeat(rest));
        calls.push(Call { sent: format!("{}?", calls[1].sent), ..calls[1].clone() });
        calls.resize(80, calls[0].clone());
        calls
    }

    fn trace(&self, asked: &TraceAsked) -> Result<Traced, NoTrace> {
        match asked.order.as_str() {
            "BX-1" => Ok(Traced {
                order: order_key("BX-1"),
                manager: "Order BX-1 of 2026-11-03T12:00:00.000Z\n  a touch\n    a reason\n"
                    .to_owned(),
                partner: Some(("lea".parse().unwrap(), "Not credited to you.\n".to_owned())),
                partners: vec!["comparo".parse().unwrap(), "lea".parse().unwrap()],
            }),
            "BX-9" => Err(NoTrace::Failed),
            _ => Err(NoTrace::NotFound),
        }
    }
}

fn page(folder: &std::path::Path) -> Page {
    let clock = Arc::new(SteppedClock::at(Millis(T + DAY)));
    Page::new(View::new(folder, catalog(SHOP), clock), Arc::new(Fixed))
}

fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut facts = Vec::new();
    for n in 0..1_234 {
        let touch = Box::new(touch(Some("lea")));
        let (program, kind) = ("shop".parse().unwrap(), event::body::TouchKind::Click);
        facts.push(Fact::Touch {
            id: event(T, n),
            at: Millis(T),
            program,
            kind,
            touch,
            reason: Reason::Valid,
        });
    }
    let one = booked(T, vec![share(Some("lea"), (T - HOUR, 1), 1_000, 80)]);
    let two = in_state(
        booked(T, vec![share(Some("comparo"), (T - HOUR, 2), 50, 5)]),
        OrderState::Declined,
        Code::Cancelled,
    );
    facts.push(Fact::Posting(Box::new(posting("BX-1", 1, T, one))));
    facts.push(Fact::Posting(Box::new(posting("BX-2", 1, T, two))));
    store.apply(&facts, None, &catalog(SHOP).snapshot()).unwrap();
    folder
}

fn ask(page: &Page, query: &str, accept: Option<&str>) -> (u16, String) {
    let reply = page.answer(&Query::parse(query).accepting(accept));
    assert_eq!(reply.content_type, "text/html; charset=utf-8");
    (reply.status.as_u16(), String::from_utf8(reply.body.to_vec()).unwrap())
}

/// What would be shown or loaded from elsewhere, run, or left open.
fn assert_sound(html: &str) {
    for never in
        ["<script", "javascript:", "http://", "https://", "style=", "onclick", "<img", "<iframe"]
    {
        assert!(!html.contains(never), "{never} in {html}");
    }
    for tag in [
        "table", "tr", "td", "th", "section", "main", "form", "p", "svg", "html", "body",
        "article", "span", "time",
    ] {
        let open =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(open, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    let mut ids: Vec<&str> =
        html.split(" id=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id stands twice");
    for label in html.split("<label for=\"").skip(1) {
        assert!(ids.contains(&label.split('"').next().unwrap()));
    }
}

#[test]
fn the_page_is_english_or_french_as_the_reader_asks() {
    let folder = filled();
    let page = page(folder.path());
    for (query, accept, words) in [
        ("", None, ["lang=\"en\"", "Net sales", "1,234", "1,000.00 EUR"]),
        (
            "",
            Some("fr-FR,fr;q=0.9"),
            ["lang=\"fr\"", "Ventes nettes", "1\u{202f}234", "1\u{202f}000,00 EUR"],
        ),
        ("lang=en", Some("fr"), ["lang=\"en\"", "Pending", "Declined", "0.0648"]),
    ] {
        let (status, html) = ask(&page, query, accept);
        assert_eq!(status, 200);
        for word in words {
            assert!(html.contains(word), "{word} in {html}");
        }
        assert_sound(&html);
    }
}

#[test]
fn the_last_50_calls_are_shown_with_their_verdicts_and_text_stays_text() {
    let folder = filled();
    let (_, html) = ask(&page(folder.path()), "", None);
    assert_eq!(html.matches("/v1/conversions").count(), 50);
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    // What is longer than 160 characters is cut, what has just these is not.
    assert_eq!((html.matches("é</span>").count(), html.matches("é …</span>").count()), (1, 1));
    let (_, french) = ask(&page(folder.path()), "lang=fr", None);
    assert!(french.contains("L&#39;identifiant de clic a été modifié"), "{french}");
    assert!(html.contains("The click id was altered or not made by us."), "{html}");
    assert!(french.contains("La signature ou le jeton ne correspond pas"), "{french}");
}

#[test]
fn a_trace_stands_side_by_side_as_the_manager_and_a_partner_see_it() {
    let folder = filled();
    let (_, html) = ask(&page(folder.path()), "order=BX-1", None);
    for words in [
        "As the manager sees it",
        "Not credited to you.",
        "As Léa sees it",
        "2026-11-03 13:00",
        "1,000.00 EUR net, commission 80.00 EUR",
    ] {
        assert!(html.contains(words), "{words} in {html}");
    }
    assert_sound(&html);
    let (_, none) = ask(&page(folder.path()), "order=%3Cb%3E", None);
    assert!(none.contains("There is no decision about order &lt;b&gt;. Is it spelled"), "{none}");
}

#[test]
fn what_is_asked_wrongly_is_said_and_the_page_stands() {
    let folder = filled();
    let page = page(folder.path());
    for (query, words) in [
        ("from=tomorrow", "from=&quot;tomorrow&quot; is no day"),
        ("from=2026-11-04&to=2026-11-01", "from 2026-11-04 is after to 2026-11-01"),
        ("program=%3Cnope%3E", "There is no such program: &lt;nope&gt;"),
    ] {
        let (status, html) = ask(&page, query, None);
        assert_eq!(status, 200);
        assert!(html.contains(words), "{words} in {html}");
        assert_sound(&html);
    }
}

#[test]
fn the_french_page_has_no_english_words_whatever_is_asked() {
    let folder = filled();
    let page = page(folder.path());
    for (query, french) in [
        ("", "Chiffres par partenaire"),
        ("order=BX-1&partner=lea", "Vu par Léa"),
        ("order=BX-404", "Aucune décision sur la commande BX-404. Est-elle écrite"),
        ("order=BX-9", "Recherche impossible pour l&#39;instant : commande BX-9"),
        ("from=demain", "from=&quot;demain&quot; n&#39;est pas un jour"),
        ("from=2026-11-04&to=2026-11-01", "le début, 2026-11-04, est après la fin"),
        ("from=2020-01-01&to=2026-11-01", "jours ; 1098 au plus à la fois"),
        ("basis=x", "basis=&quot;x&quot; : donnez event ou click"),
        ("program=nope", "Ce programme n&#39;existe pas : nope"),
    ] {
        let (_, html) = ask(&page, &format!("{query}&lang=fr"), None);
        assert!(html.contains(french), "{french} in {html}");
        // What the bed's own trace and calls say is no text of the page.
        let own = ["Order BX-1 of", "a touch", "a reason", "Not credited to you."];
        let html = own.iter().fold(html, |html, text| html.replace(text, ""));
        for word in ["the", "is", "not", "no", "are", "of", "and", "give", "field"] {
            let found =
                html.split('<').filter_map(|part| part.split_once('>')).find(|(_, text)| {
                    text.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|has| has == word)
                });
            assert_eq!(found, None, "{word} for {query}");
        }
    }
}

#[test]
fn a_page_before_the_first_event_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (_, html) = ask(&page(folder.path()), "", None);
    assert!(html.contains("The report is not ready yet"), "{html}");
    Store::open(folder.path()).unwrap();
    let (_, html) = ask(&page(folder.path()), "lang=fr", None);
    assert!(html.contains("Ni clic ni commande ces jours-là."), "{html}");
    assert_sound(&html);
}
