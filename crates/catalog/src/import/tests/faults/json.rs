//! Faults of files in JSON.

use expect_test::{Expect, expect};

use super::{CatalogFile, Format, printed};

/// The faults of a JSON text.
#[track_caller]
fn check_json(text: &str, said: &Expect) {
    let faults = CatalogFile::parse(text, Format::Json).unwrap_err();
    said.assert_eq(&printed(&faults));
}

#[test]
fn json_has_the_same_faults_with_its_own_places() {
    check_json(
        "{\"program\": {\n  \"shop\": {\"title\": \"Shop\", \"home\": \"x\", \"sites\": [],\n    \"currency\": \"EUR\", \"time_zone\": \"UTC\",\n    \"terms\": [{\"lookback_click\": \"91d\", \"lookback_impression\": null,\n      \"lateness\": null}]}}}",
        &expect![[r#"
            2:37 program.shop.home: is not a URL: relative URL without a base; write a whole address without macros, such as "https://shop.example/"
            4:34 program.shop.terms[1].lookback_click: is 91d, above the limit of 90d; shorten it to at most "90d"
            5:19 program.shop.terms[1].lateness: is null, but a duration is expected; write it as "30d"
        "#]],
    );
}

#[test]
fn json_that_is_none_says_where_it_breaks() {
    check_json(
        "",
        &expect![[r#"
        1:1 the file is not valid JSON: it ends too early; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "[]",
        &expect![[r#"
        1:1 the file is a list, but a table is expected; begin it with { "program": { … } }
    "#]],
    );
    check_json(
        "{\"program\": {},}",
        &expect![[r#"
        1:16 the file is not valid JSON: a key in double quotes is expected; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "{\"program\" {}}",
        &expect![[r#"
        1:12 the file is not valid JSON: a colon is expected after a key; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "{\"program\": {}} x",
        &expect![[r#"
        1:17 the file is not valid JSON: there is text after its end; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "{\"program\": {\"shop\": 01}}",
        &expect![[r#"
        1:22 the file is not valid JSON: a number is malformed; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "{\"program\": \"a\nb\"}",
        &expect![[r#"
        1:13 the file is not valid JSON: a text has a wrong escape or a control character; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "{\"program\": \"abc",
        &expect![[r#"
        1:17 the file is not valid JSON: a text does not end; mend the syntax here; the content is checked after that
    "#]],
    );
    check_json(
        "{\"program\": {}, \"program\": {}}",
        &expect![[r#"
        1:17 the key "program" stands twice in one object; keep one of the two
    "#]],
    );
    check_json(
        &"[".repeat(100),
        &expect![[r#"
        1:18 the file is not valid JSON: it is nested too deeply; mend the syntax here; the content is checked after that
    "#]],
    );
}
