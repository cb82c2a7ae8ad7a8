//! Queries of the real world.

use event::Flag;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{DeepLink, PAIRS_MAX, Query};

fn read(raw: &str) -> (Vec<(String, String)>, Vec<&'static str>) {
    let query = Query::parse(raw, DeepLink::TakesRest);
    let pairs = query.pairs().iter().map(|p| (p.name.to_string(), p.value.to_string())).collect();
    (pairs, query.flags().iter().map(Flag::as_str).collect())
}

fn check(raw: &str, pairs: &[(&str, &str)], flags: &[&str]) {
    let (found, found_flags) = read(raw);
    let found: Vec<_> = found.iter().map(|(n, v)| (&**n, &**v)).collect();
    assert_eq!((&*found, &*found_flags), (pairs, flags), "{raw}");
}

#[test]
fn a_plain_query_is_read_in_order_without_a_flag() {
    check("a=1&B=2&c", &[("a", "1"), ("b", "2"), ("c", "")], &[]);
    check("", &[], &[]);
    check("a=b=c&x=%41+%2B", &[("a", "b=c"), ("x", "A +")], &[]);
}

#[test]
fn each_repair_sets_its_flag() {
    check("a=1?b=2", &[("a", "1"), ("b", "2")], &["query_repaired"]);
    check("a=1&amp;b=2", &[("a", "1"), ("b", "2")], &["query_repaired"]);
    check("a=100%&b=%zz", &[("a", "100%"), ("b", "%zz")], &["query_repaired"]);
    check("a=%ff", &[("a", "\u{fffd}")], &["query_repaired"]);
    check("=1&a=2&&", &[("a", "2")], &["query_repaired"]);
    check("&&a=2", &[("a", "2")], &[]);
}

#[test]
fn of_duplicates_the_first_wins() {
    check("a=1&A=2", &[("a", "1")], &["param_duplicate"]);
}

#[test]
fn an_unexpanded_macro_is_kept_and_flagged() {
    for text in ["{clickid}", "[cid]", "%%X%%", "${X}"] {
        let (pairs, flags) = read(&format!("s1={text}"));
        assert_eq!(pairs[0].1, text);
        assert!(flags.contains(&"macro_unexpanded"), "{text}");
    }
    check("s1={}&s2={a b}&s3=x{y}", &[("s1", "{}"), ("s2", "{a b}"), ("s3", "x{y}")], &[]);
}

#[test]
fn an_unescaped_deep_link_takes_the_rest() {
    check(
        "s1=x&to=https://a.example/p?x=1&y=2%20",
        &[("s1", "x"), ("to", "https://a.example/p?x=1&y=2%20")],
        &["query_repaired"],
    );
    check("ued=HTTPS://a.example/p", &[("ued", "HTTPS://a.example/p")], &[]);
    check("to=https%3A%2F%2Fa.example%2F&s1=x", &[("to", "https://a.example/"), ("s1", "x")], &[]);
    let plain = Query::parse("to=https://a.example/&s1=x", DeepLink::Plain);
    assert_eq!(plain.get("s1"), Some("x"));
}

#[test]
fn pairs_are_bounded() {
    let many: String = (0..PAIRS_MAX + 9).map(|n| format!("&n{n}=1")).collect();
    let query = Query::parse(&many, DeepLink::Plain);
    assert_eq!(query.pairs().len(), PAIRS_MAX);
    assert!(query.flags().has(Flag::QueryRepaired));
}

proptest! {
    #[test]
    fn any_text_is_read(raw in any::<String>()) {
        let query = Query::parse(&raw, DeepLink::TakesRest);
        for pair in query.pairs() {
            prop_assert!(!pair.name.is_empty());
            prop_assert_eq!(&*pair.name, pair.name.to_ascii_lowercase());
        }
    }

    #[test]
    fn what_is_encoded_rightly_comes_back(pairs in proptest::collection::vec(
        ("[a-z]{1,8}", any::<String>()), 0..6))
    {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        for (n, (name, value)) in pairs.iter().enumerate() {
            text.append_pair(&format!("{name}{n}"), value);
        }
        let text = text.finish();
        let query = Query::parse(&text, DeepLink::Plain);
        prop_assert_eq!(query.pairs().len(), pairs.len());
        for (n, (name, value)) in pairs.iter().enumerate() {
            prop_assert_eq!(query.get(&format!("{name}{n}")), Some(&**value));
        }
        prop_assert!(!query.flags().has(Flag::QueryRepaired));
    }
}
