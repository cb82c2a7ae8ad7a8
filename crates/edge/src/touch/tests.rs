//! Parameters of links under their many names.

use super::{LinkParameters, host};
use crate::query::{DeepLink, Query};

#[test]
fn every_always_alias_means_its_field() {
    for (n, names) in [
        (1, "s1 sub1 subid1 sharedid aff_sub eff_sub1 u1 epi clickref pref1 S1 Sub1"),
        (2, "s2 sub2 subid2 aff_sub2 eff_sub2 epi2 clickref2 pref2"),
        (3, "s3 sub3 subid3 aff_sub3 clickref3 pref3"),
        (6, "s6 sub6 subid6 clickref6 pref6"),
        (10, "s10 sub10 subid10"),
    ] {
        for name in names.split(' ') {
            let text = format!("{name}=x");
            let query = Query::parse(&text, DeepLink::TakesRest);
            assert_eq!(LinkParameters::read(&query).subs[n - 1], Some("x"), "{name}");
        }
    }
    // Those that need a dialect mean nothing here.
    for name in ["pubref", "adref", "sid", "data1", "ref_id", "s0", "s11", "aff_sub6"] {
        let text = format!("{name}=x");
        let query = Query::parse(&text, DeepLink::TakesRest);
        let found = LinkParameters::read(&query);
        assert!(found.subs.iter().all(Option::is_none) && found.pcid.is_none(), "{name}");
    }
}

#[test]
fn a_sub_id_is_cut_at_a_character_and_does_not_spill() {
    let text = format!("s1={}&s2=y", "é".repeat(128));
    let query = Query::parse(&text, DeepLink::TakesRest);
    let found = LinkParameters::read(&query);
    assert_eq!((found.subs[0].unwrap().len(), found.subs[1]), (254, Some("y")));
    assert!(found.flags.has(event::Flag::SubidTruncated));
    let text = format!("s1={}", "x".repeat(255));
    let query = Query::parse(&text, DeepLink::TakesRest);
    assert!(LinkParameters::read(&query).flags.is_empty());
}

#[test]
fn the_host_of_a_referrer_is_a_host_or_nothing() {
    for (url, expected) in [
        ("https://blog.example.org/a?b#c", Some("blog.example.org")),
        ("http://u:p@a.example:80/", Some("a.example")),
        ("https://[::1]:8080/x", Some("::1")),
        ("android-app://com.example", None),
        ("https://", None),
        ("https://a b/", None),
        ("https://\"x\"/", None),
        ("", None),
    ] {
        assert_eq!(host(url), expected, "{url}");
    }
}
