//! The whole table: state × endpoint → cookies, click id, what the event says.

use event::token::TokenKeys;
use event::{Body, Clock as _, Topic};
use expect_test::expect;

use crate::harness::{Answer, Running, Starting, keys};

fn names(answer: &Answer) -> String {
    let names: Vec<_> = answer
        .cookies()
        .iter()
        .map(|(name, value)| {
            let name = name.trim_start_matches("__Host-sl_");
            if value.is_empty() { format!("{name} expired") } else { name.to_owned() }
        })
        .collect();
    if names.is_empty() { "no cookie".to_owned() } else { names.join("+") }
}

/// One line about a click: cookies, consent in the click id, event.
fn click(edge: &Running, what: &str, target: &str, headers: &[(&str, &str)], n: usize) -> String {
    let answer = edge.get(target, headers);
    assert_eq!(answer.status, 302, "{what}");
    let parameter = if target.contains("strict1") { "ref" } else { "sl_click" };
    let id = answer.location(parameter).map_or("no click id".to_owned(), |id| {
        let claim = TokenKeys::new(&keys().click).verify(&id, edge.clock.now()).unwrap();
        let visitor = if claim.visitor.is_some() { " with visitor" } else { "" };
        format!("click id {}{visitor}", claim.consent.as_str())
    });
    let events = edge.events(Topic::Touches, n);
    let Body::Click(touch) = &events[n - 1].body else { panic!() };
    let has = |there: bool, name: &'static str| if there { name } else { "-" };
    let event = format!(
        "{} {} {} {} {}",
        touch.consent.as_str(),
        has(!touch.ids.is_empty(), "ids"),
        has(touch.address_hash.is_some(), "hash"),
        has(touch.private.is_some(), "private"),
        has(touch.pcid.is_some(), "pcid"),
    );
    format!("{what:40} | {:14} | {id:30} | {event}\n", names(&answer))
}

/// What is said, the target, and the headers that say it.
type Case<'a> = (&'a str, String, Vec<(&'a str, &'a str)>);

#[test]
fn every_state_at_the_redirect() {
    let edge = Starting::default().start();
    let granted = edge.get("/c/l1?consent=granted", &[]);
    let jar: Vec<_> = granted.cookies().iter().map(|(n, v)| format!("{n}={v}")).collect();
    let jar = jar.join("; ");
    let gpc = ("Sec-GPC", "1");
    let dnt = ("DNT", "1");
    let cookie = ("Cookie", &*jar);
    // TCF strings: vendor 755 with purposes 1 and 7, and the same without vendor 755.
    let tc_yes = crate::tcf::tests::tc_string(&[755], true);
    let tc_no = crate::tcf::tests::tc_string(&[7], true);
    let tc = |s: &str| format!("/c/open1?pcid=p&gdpr=1&gdpr_consent={s}");
    let cases: Vec<Case<'_>> = vec![
        ("nothing said", "/c/l1?pcid=p".into(), vec![]),
        ("granted by parameter", "/c/l1?pcid=p&consent=granted".into(), vec![]),
        ("denied by parameter", "/c/l1?pcid=p&consent=denied".into(), vec![]),
        ("exempt by parameter is no claim", "/c/l1?pcid=p&consent=exempt".into(), vec![]),
        ("granted by cookie", "/c/l1?pcid=p".into(), vec![cookie]),
        ("denied after a cookie", "/c/l1?pcid=p&consent=denied".into(), vec![cookie]),
        ("a cookie of another program", "/c/strict1?pcid=p".into(), vec![cookie]),
        ("GPC", "/c/l1?pcid=p".into(), vec![gpc]),
        ("GPC and a grant", "/c/l1?pcid=p&consent=granted".into(), vec![gpc]),
        ("GPC and a cookie", "/c/l1?pcid=p".into(), vec![gpc, cookie]),
        ("GPC wins", "/c/open1?pcid=p&consent=granted".into(), vec![gpc]),
        ("DNT ignored", "/c/l1?pcid=p".into(), vec![dnt]),
        ("DNT honored", "/c/open1?pcid=p".into(), vec![dnt]),
        ("unknown is denied", "/c/strict1?pcid=p".into(), vec![]),
        ("unknown is granted", "/c/open1?pcid=p".into(), vec![]),
        ("TC string allows the vendor", tc(&tc_yes), vec![]),
        ("TC string without the vendor", tc(&tc_no), vec![]),
        (
            "TC string, no vendor id: evidence",
            format!("/c/l1?pcid=p&gdpr=1&gdpr_consent={tc_yes}"),
            vec![],
        ),
        ("TC string unreadable", "/c/l1?pcid=p&gdpr=1&gdpr_consent=x".into(), vec![]),
        ("exempt link", "/c/cash1?pcid=p".into(), vec![]),
        ("exempt link, denied and GPC", "/c/cash1?pcid=p&consent=denied".into(), vec![gpc]),
        ("exempt link, granted", "/c/cash1?pcid=p&consent=granted".into(), vec![]),
    ];
    let mut table = String::new();
    for (n, (what, target, headers)) in cases.iter().enumerate() {
        table += &click(&edge, what, target, headers, n + 2);
    }
    expect![[r#"
        nothing said                             | no cookie      | click id unknown               | unknown - hash private pcid
        granted by parameter                     | v+c_shop       | click id granted with visitor  | granted ids hash private pcid
        denied by parameter                      | no cookie      | no click id                    | denied - - - -
        exempt by parameter is no claim          | no cookie      | click id unknown               | unknown - hash private pcid
        granted by cookie                        | c_shop         | click id granted with visitor  | granted ids hash private pcid
        denied after a cookie                    | v expired+c_shop expired | no click id                    | denied - - - -
        a cookie of another program              | no cookie      | no click id                    | unknown - - - -
        GPC                                      | no cookie      | no click id                    | denied - - - -
        GPC and a grant                          | v+c_shop       | click id granted with visitor  | granted ids hash private pcid
        GPC and a cookie                         | c_shop         | click id granted with visitor  | granted ids hash private pcid
        GPC wins                                 | no cookie      | no click id                    | denied - - - -
        DNT ignored                              | no cookie      | click id unknown               | unknown - hash private pcid
        DNT honored                              | no cookie      | no click id                    | denied - - - -
        unknown is denied                        | no cookie      | no click id                    | unknown - - - -
        unknown is granted                       | v+c_open       | click id unknown with visitor  | unknown ids hash private pcid
        TC string allows the vendor              | v+c_open       | click id granted with visitor  | granted ids hash private pcid
        TC string without the vendor             | no cookie      | no click id                    | denied - - - -
        TC string, no vendor id: evidence        | no cookie      | click id unknown               | unknown - hash private pcid
        TC string unreadable                     | no cookie      | click id unknown               | unknown - hash private pcid
        exempt link                              | x_shop         | click id exempt                | exempt - hash private pcid
        exempt link, denied and GPC              | x_shop         | click id exempt                | exempt - hash private pcid
        exempt link, granted                     | x_shop         | click id exempt                | exempt - hash private pcid
    "#]].assert_eq(&table);
}

#[test]
fn every_state_at_the_landing() {
    let edge = Starting::default().start();
    let id = |target: &str| edge.get(target, &[]).location("sl_click").unwrap();
    let (unknown, granted, exempt) = (id("/c/l1"), id("/c/l1?consent=granted"), id("/c/cash1"));
    let (easy, easy_granted) = (id("/c/easy1"), id("/c/easy1?consent=granted"));
    let origin = ("Origin", "https://shop.example");
    let of_easy = ("Origin", "https://easy.example");
    let (gpc, dnt) = (("Sec-GPC", "1"), ("DNT", "1"));
    let made = edge.events(Topic::Touches, 5).len();
    let mut table = String::new();
    for (n, (what, click, rest, headers)) in [
        ("unknown click, nothing said", &unknown, "", vec![origin]),
        ("unknown click, granted now", &unknown, "&consent=granted", vec![origin]),
        ("unknown click, denied now", &unknown, "&consent=denied", vec![origin]),
        ("unknown click, GPC", &unknown, "", vec![origin, gpc]),
        ("unknown click, GPC, granted now", &unknown, "&consent=granted", vec![origin, gpc]),
        ("granted click, nothing said", &granted, "", vec![origin]),
        ("granted click, GPC", &granted, "", vec![origin, gpc]),
        ("granted click, denied now", &granted, "&consent=denied", vec![origin]),
        ("exempt click, denied now", &exempt, "&consent=denied", vec![origin]),
        ("exempt click, granted now", &exempt, "&consent=granted", vec![origin]),
        ("unknown is granted", &easy, "", vec![of_easy]),
        ("unknown is granted, GPC", &easy, "", vec![of_easy, gpc]),
        ("unknown is granted, granted click", &easy_granted, "", vec![of_easy]),
        ("the same, GPC", &easy_granted, "", vec![of_easy, gpc]),
        ("the same, DNT", &easy_granted, "", vec![of_easy, dnt]),
        ("the same, GPC, granted now", &easy_granted, "&consent=granted", vec![of_easy, gpc]),
    ]
    .into_iter()
    .enumerate()
    {
        let program = if headers.contains(&of_easy) { "easy" } else { "shop" };
        let report = format!("program={program}&click_id={click}{rest}");
        let answer = edge.post_form("/v1/clicks", &headers, &report);
        assert_eq!(answer.status, 202, "{what}: {answer:?}");
        let events = edge.events(Topic::Touches, made + n + 1);
        let Body::Landing(landing) = &events[made + n].body else { panic!("{events:?}") };
        let consent = landing.consent.map_or("-", |consent| consent.as_str());
        let ids = if landing.ids.is_empty() { "-" } else { "ids" };
        table += &format!("{what:34} | {:28} | consent {consent}, {ids}\n", names(&answer));
    }
    expect![[r#"
        unknown click, nothing said        | no cookie                    | consent -, -
        unknown click, granted now         | v+c_shop                     | consent granted, ids
        unknown click, denied now          | v expired+c_shop expired     | consent denied, -
        unknown click, GPC                 | v expired+c_shop expired     | consent denied, -
        unknown click, GPC, granted now    | v+c_shop                     | consent granted, ids
        granted click, nothing said        | no cookie                    | consent -, -
        granted click, GPC                 | no cookie                    | consent -, -
        granted click, denied now          | v expired+c_shop expired     | consent denied, -
        exempt click, denied now           | v expired+c_shop expired     | consent -, -
        exempt click, granted now          | no cookie                    | consent -, -
        unknown is granted                 | v+c_easy                     | consent -, ids
        unknown is granted, GPC            | v expired+c_easy expired     | consent denied, -
        unknown is granted, granted click  | v+c_easy                     | consent -, ids
        the same, GPC                      | no cookie                    | consent -, -
        the same, DNT                      | no cookie                    | consent -, -
        the same, GPC, granted now         | v+c_easy                     | consent granted, ids
    "#]]
    .assert_eq(&table);
}
