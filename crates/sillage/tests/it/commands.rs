//! Commands that end by themselves.

use expect_test::expect;

use crate::{CATALOG, Place};

#[test]
fn a_wrong_command_line_is_64_and_help_is_0() {
    let place = Place::new();
    assert_eq!(place.said(&["--help"]).0, 0);
    assert_eq!(place.said(&["--version"]).0, 0);
    assert_eq!(place.said(&["serv"]).0, 64);
    assert_eq!(place.said(&[]).0, 64);
    assert_eq!(place.said(&["decide"]).0, 64);
}

#[test]
fn check_config_says_fine_of_each_file() {
    let place = Place::new();
    let (code, out, err) = place.said(&["check-config"]);
    assert_eq!((code, err.as_str()), (0, ""));
    expect![[r#"
        sillage.toml: fine
        keys.toml: fine
        catalog.toml: fine
          shop (EUR, observed, no money moves): 1 partner approved, 0 commission rules in force; no rule pays for orders of lea
    "#]]
    .assert_eq(&out);
}

#[test]
fn check_config_lists_the_faults_of_configuration_keys_and_catalog_at_once() {
    let place = Place::new();
    place.write(
        "sillage.toml",
        "[node]\ndata_folder = \"data\"\ncatalog_file = \"catalog.toml\"\nkey_file = \"no.toml\"\n\
         [edge]\nlisten = \"8080\"\nhots = []\n",
    );
    place.write("catalog.toml", &CATALOG.replace("currency = \"EUR\"", "currency = \"Euro\""));
    let (code, _, err) = place.said(&["check-config"]);
    assert_eq!(code, 64);
    expect![[r#"
        sillage.toml:6:1: edge.listen: invalid type: string "8080", expected a sequence
        sillage.toml:7:1: edge.hots: there is no key "hots" here; did you mean "hosts"?
        read the key file no.toml (make one with `sillage keygen no.toml`): No such file or directory (os error 2)
        catalog.toml:7:12: program.shop.currency: "Euro" does not fit: is not an ISO 4217 currency code in use; write an ISO 4217 code, such as "EUR"
        sillage: 4 faults; nothing was started
    "#]].assert_eq(&err);
}

#[test]
fn nothing_starts_without_catalog_or_keys() {
    let place = Place::new();
    std::fs::remove_file(place.path().join("keys.toml")).unwrap();
    let (code, _, err) = place.said(&["serve"]);
    assert_eq!(code, 64, "{err}");
    assert!(err.contains("sillage keygen keys.toml"), "{err}");

    let place = Place::new();
    std::fs::remove_file(place.path().join("catalog.toml")).unwrap();
    let (code, _, err) = place.said(&["serve"]);
    assert_eq!(code, 64, "{err}");
    assert!(err.contains("catalog.toml: cannot read it"), "{err}");
}

#[test]
fn trace_of_an_unknown_order_says_where_to_look() {
    let place = Place::new();
    let (code, _, err) = place.said(&["trace", "BX-1"]);
    assert_eq!(code, 1);
    expect![[r#"
        sillage: nothing runs here that could be asked: data holds no data: has `sillage serve` run with this configuration?
    "#]].assert_eq(&err);
}
