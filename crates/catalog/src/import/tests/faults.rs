//! Faults of files, one for each way to be wrong, by their messages.
//!
//! Each test changes one place of a file without faults (`whole.toml`) and shows what is said about it.

use expect_test::{Expect, expect};
use proptest::prelude::{prop_assert, proptest};

use super::super::{CatalogFile, Format};
use super::printed;

mod commission;
mod json;
mod link;
mod partner;
mod program;
mod terms;
mod writing;

const WHOLE: &str = include_str!("whole.toml");

/// The faults of the whole file with `old` replaced by `new`.
#[track_caller]
fn check(old: &str, new: &str, said: &Expect) {
    assert!(WHOLE.contains(old), "{old:?} is not in whole.toml");
    let faults = CatalogFile::parse(&WHOLE.replacen(old, new, 1), Format::Toml).unwrap_err();
    said.assert_eq(&printed(&faults));
}

#[test]
fn the_whole_file_has_no_faults() {
    assert!(CatalogFile::parse(WHOLE, Format::Toml).is_ok());
}

#[test]
fn two_programs_with_one_token() {
    check(
        r#"page = "allow""#,
        r#"token_sha256 = ["0000000000000000000000000000000000000000000000000000000000000000"]"#,
        &expect![[r#"
            61:16 program.other.reports.token_sha256: has a token that program shop has as well; give each program tokens of its own: a token names its program
        "#]],
    );
}

#[test]
fn two_programs_with_one_key() {
    check(
        r#"page = "allow""#,
        r#"hmac_keys = ["shop-1"]"#,
        &expect![[r#"
        61:13 program.other.reports.hmac_keys: names the key "shop-1", which program shop names as well; give each program keys of its own: a key names its program
    "#]],
    );
}

/// Keys of later versions are refused by name, wherever somebody may try them.
#[test]
fn a_key_of_a_later_version_is_refused_by_name() {
    let places = [
        ("program.shop", "afsrc = true\n", "coupons dialect compat always_200"),
        (
            "program.shop.terms[1]",
            "semantics = 1\n",
            "dedup_window dedup_scope in_cart_window in_cart_evidence in_cart_solo visit_gap collapse \
             collapse_gap tiers pin click_id max_touches binding preferred coupons rates payout_currency",
        ),
        ("partner.lea", "kind = \"content\"\n", "postback payout"),
        ("link.lea-home", "creative = \"banner\"\n", "coupon split"),
    ];
    for (path, before, keys) in places {
        for key in keys.split_whitespace() {
            let text = WHOLE.replacen(before, &format!("{before}{key} = 1\n"), 1);
            let faults = CatalogFile::parse(&text, Format::Toml).unwrap_err();
            let said = printed(&faults);
            assert_eq!(faults.len(), 1, "{said}");
            assert_eq!(faults[0].field, format!("{path}.{key}"));
            assert!(said.contains(&format!("`{key}` (")), "{said}");
            assert!(said.contains("is not part of this version yet"), "{said}");
        }
    }
}

#[test]
fn all_faults_come_at_once_in_the_order_of_the_file() {
    let text = WHOLE
        .replacen("lookback_click = \"30d\"", "lookback_click = \"91d\"", 1)
        .replacen("currency = \"EUR\"", "currency = \"EURO\"", 1)
        .replacen("kind = \"content\"", "kind = \"blog\"", 1)
        .replacen("segment = \"social\"", "segment = \"socail\"", 1)
        .replacen("?s={s1}", "?s={s11}", 1)
        .replacen("channel = \"paid-search\"\ndest", "channel = \"search\"\ndest", 1);
    let faults = CatalogFile::parse(&text, Format::Toml).unwrap_err();
    let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "program.shop.currency",
            "program.shop.terms[1].lookback_click",
            "partner.lea.kind",
            "partner.lea.program.shop.segment[1]",
            "link.lea-home.destination",
            "link.search.channel",
        ]
    );
}

#[test]
fn more_faults_than_a_screen_can_hold_are_counted() {
    let keys: String = (0..1_200).map(|n| format!("unknown-{n} = 1\n")).collect();
    let faults = CatalogFile::parse(&format!("{keys}{WHOLE}"), Format::Toml).unwrap_err();
    assert_eq!(faults.len(), crate::limits::FAULTS_MAX + 1);
    assert_eq!(faults.last().unwrap().problem, "200 more faults are not listed");
}

#[test]
fn columns_count_characters_not_bytes() {
    let faults =
        CatalogFile::parse("program = { \"é\" = 1, \"ü\" = 2 }", Format::Toml).unwrap_err();
    assert_eq!((faults[1].line, faults[1].column), (1, 19));
}

#[test]
fn a_file_that_is_nested_without_end_is_refused() {
    for text in [format!("a = {}", "[".repeat(100_000)), format!("{}a = 1", "a.".repeat(100_000))] {
        assert!(CatalogFile::parse(&text, Format::Toml).is_err());
    }
}

proptest! {
    /// Whatever is cut out of the whole file, or put into it, is read or refused, never more.
    #[test]
    fn a_damaged_file_is_refused_without_panic(
        from in 0..WHOLE.len(), length in 0..200_usize, put in "[\\[\\]{}\"\\\\'=,.#a-z0-9\n é]{0,12}"
    ) {
        let ends = |at: usize| WHOLE.char_indices().map(|(i, _)| i).find(|i| *i >= at).unwrap_or(WHOLE.len());
        let mut text = WHOLE.to_owned();
        text.replace_range(ends(from)..ends(from + length), &put);
        for format in [Format::Toml, Format::Json] {
            if let Err(faults) = CatalogFile::parse(&text, format) {
                for fault in faults {
                    prop_assert!(fault.line >= 1 && fault.column >= 1 && !fault.problem.is_empty());
                }
            }
        }
        let quoted = format!("{{\"program\": {{\"shop\": {{\"title\": \"{put}\", \"sites\": [{put}]}}}}}}");
        drop(CatalogFile::parse(&quoted, Format::Json));
    }
}
