//! Size, syntax, escaping and caching of the tag. What it does in a page is tested in a browser.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::read::GzEncoder;
use http_body_util::BodyExt as _;

use super::*;

fn tag() -> Tag {
    Tag::new("https://t.shop.example", "shop", "sl_click")
}

fn text(tag: &Tag) -> String {
    String::from_utf8(tag.body.to_vec()).unwrap()
}

#[test]
fn the_tag_is_at_most_2_kib_compressed_and_8_kib_plain() {
    let tag = tag();
    let mut packed = Vec::new();
    GzEncoder::new(&tag.body[..], Compression::default()).read_to_end(&mut packed).unwrap();
    println!("tag: {} bytes, {} compressed", tag.body.len(), packed.len());
    assert!(packed.len() <= 2_048, "{} bytes compressed", packed.len());
    assert!(tag.body.len() <= 8_192, "{} bytes", tag.body.len());
}

#[test]
fn the_tag_is_valid_script_whatever_is_filled_in() {
    let hostile = Tag::new("https://t.example/\"</script>\\", "a\nb\u{2028}", "'+alert(1)+'");
    for tag in [tag(), hostile] {
        let Ok(mut node) = Command::new("node")
            .args(["--check", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
        else {
            assert!(std::env::var_os("CI").is_none(), "node is missing");
            println!("skipped: node not found");
            return;
        };
        node.stdin.take().unwrap().write_all(&tag.body).unwrap();
        let output = node.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn what_is_filled_in_stays_inside_its_literal() {
    let tag = text(&Tag::new("https://t.example", "a\"b</script>", "p'\\"));
    assert!(
        tag.ends_with("})(\"https://t.example\", \"a\\\"b\\u003c/script>\", \"p'\\\\\");\n"),
        "{tag}"
    );
    assert!(!tag.contains("__"), "a placeholder was not filled in");
}

#[test]
fn the_tag_evaluates_nothing_and_stores_nothing() {
    let tag = text(&tag());
    for refused in [
        "eval",
        "Function(",
        "currentScript",
        "localStorage",
        "sessionStorage",
        "cookie",
        "document.write",
    ] {
        assert!(!tag.contains(refused), "{refused}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_known_etag_is_answered_304_and_another_one_200() {
    let tag = tag();
    let first = tag.answer(None);
    assert_eq!(first.status(), StatusCode::OK);
    let headers = first.headers().clone();
    assert_eq!(headers[CONTENT_TYPE], "text/javascript; charset=utf-8");
    assert_eq!(headers[CACHE_CONTROL], "public, max-age=300");
    assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert!(headers[ETAG].to_str().unwrap().starts_with('"'), "strong");
    assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), tag.body);

    let etag = headers[ETAG].to_str().unwrap();
    for known in [etag.to_owned(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let again = tag.answer(Some(&HeaderValue::from_str(&known).unwrap()));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(again.headers()[ETAG], headers[ETAG]);
        assert!(again.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
    let other = tag.answer(Some(&HeaderValue::from_static("\"x\"")));
    assert_eq!(other.status(), StatusCode::OK);
}

#[test]
fn a_new_generation_of_the_catalog_makes_the_tag_anew() {
    let mut tags = Tags::default();
    let old = tags.get(1, "https://t.example", "shop", "sl_click");
    assert_eq!(tags.get(1, "https://t.example", "shop", "ignored").etag, old.etag, "kept");
    assert_ne!(tags.get(2, "https://t.example", "shop", "other").etag, old.etag, "made anew");
    for number in 0..=TAGS_KEPT_MAX {
        tags.get(2, "https://t.example", &number.to_string(), "sl_click");
    }
    assert!(tags.kept.len() <= TAGS_KEPT_MAX);
}
