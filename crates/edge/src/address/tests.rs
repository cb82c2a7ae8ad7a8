//! Whose address it is: every kind of header in front of every kind of peer.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use super::{HashCache, client, cut};
use crate::config::{Config, ForwardedHeader};

fn config(header: ForwardedHeader, proxies: &[&str]) -> Config {
    Config {
        trusted_proxies: proxies.iter().map(|net| net.parse().unwrap()).collect(),
        forwarded_header: header,
        country_header: Some("cf-ipcountry".to_owned()),
        ..Config::default()
    }
}

fn found(config: &Config, peer: &str, headers: &[(&str, &str)]) -> String {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let client = client(config, peer.parse().unwrap(), &&map);
    format!("{} {}", client.address, client.country().unwrap_or("-"))
}

#[test]
fn a_peer_that_is_no_trusted_proxy_is_believed_nothing() {
    let headers = [
        ("x-forwarded-for", "1.1.1.1"),
        ("forwarded", "for=2.2.2.2"),
        ("cf-ipcountry", "FR"),
        ("x-real-ip", "3.3.3.3"),
    ];
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        assert_eq!(found(&config(header, &[]), "9.9.9.9", &headers), "9.9.9.9 -");
        assert_eq!(found(&config(header, &["10.0.0.0/8"]), "9.9.9.9", &headers), "9.9.9.9 -");
    }
}

#[test]
fn of_a_trusted_proxy_the_right_most_untrusted_entry_of_the_one_header_counts() {
    let xff = config(ForwardedHeader::XForwardedFor, &["10.0.0.0/8", "fd00::/8"]);
    for (value, expected) in [
        ("1.1.1.1", "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1", "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("1.1.1.1,10.0.0.2,fd00::1", "1.1.1.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("1.1.1.1:4711", "1.1.1.1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("::ffff:1.1.1.1", "1.1.1.1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("1.1.1.1, unknown", "10.0.0.1"),
        ("1.1.1.1, unknown, 10.0.0.2", "10.0.0.2"),
        ("", "10.0.0.1"),
        (" , ", "10.0.0.1"),
        ("1.1.1.1;evil", "10.0.0.1"),
    ] {
        let headers = [("x-forwarded-for", value), ("forwarded", "for=2.2.2.2")];
        assert_eq!(found(&xff, "10.0.0.1", &headers), format!("{expected} -"), "{value:?}");
    }
    let two = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1")];
    assert_eq!(found(&xff, "10.0.0.1", &two), "1.1.1.1 -", "the last line is the nearest");
    assert_eq!(found(&xff, "::ffff:10.0.0.1", &two), "1.1.1.1 -");
    let forwarded = config(ForwardedHeader::Forwarded, &["10.0.0.0/8"]);
    for (value, expected) in [
        ("for=1.1.1.1", "1.1.1.1"),
        ("for=6.6.6.6;proto=http, For=\"1.1.1.1:80\";by=10.0.0.9", "1.1.1.1"),
        ("for=\"[2001:db8::1]:80\"", "2001:db8::1"),
        ("for=_hidden", "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
    ] {
        let headers = [("forwarded", value), ("x-forwarded-for", "6.6.6.6")];
        assert_eq!(found(&forwarded, "10.0.0.1", &headers), format!("{expected} -"), "{value:?}");
    }
}

#[test]
fn a_country_is_two_letters_from_a_trusted_proxy() {
    let config = config(ForwardedHeader::XForwardedFor, &["10.0.0.0/8"]);
    for (value, expected) in [
        ("FR", "FR"),
        ("fr", "FR"),
        ("XX", "-"),
        ("T1", "-"),
        ("FRA", "-"),
        ("", "-"),
        ("F\"", "-"),
    ] {
        assert_eq!(
            found(&config, "10.0.0.1", &[("cf-ipcountry", value)]),
            format!("10.0.0.1 {expected}")
        );
    }
}

#[test]
fn an_address_is_cut_and_hashed_by_the_key_of_the_day() {
    let [a, b]: [IpAddr; 2] = ["192.0.2.77", "2001:db8:1:2::3"].map(|text| text.parse().unwrap());
    assert_eq!(
        (cut(a).to_string(), cut(b).to_string()),
        ("192.0.2.0".to_owned(), "2001:db8:1::".to_owned())
    );
    let secret = |n| event::keys::Secret([n; 32]);
    let mut cache = HashCache::default();
    let first = cache.get(1, Some(&secret(1)), a).hash;
    assert_eq!(cache.get(1, Some(&secret(1)), a).hash, first);
    assert_ne!(cache.get(1, Some(&secret(1)), b).hash, first);
    assert_ne!(cache.get(2, Some(&secret(2)), a).hash, first, "unlinkable from day to day");
    assert_eq!(cache.get(3, None, a).hash, None);
}
