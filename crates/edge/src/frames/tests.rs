//! Where heads and bodies end, however the bytes arrive.

use proptest::prelude::{any, prop_assert_eq, proptest};

use super::{Broken, Frames, HEADER_BYTES_MAX, HEADER_FIELDS_MAX, STAND_IN, TARGET_BYTES_MAX};
use crate::metrics::Rule;

/// What passed, and the head that was refused.
type Fed = (Result<Vec<u8>, Broken>, Option<(u64, Rule)>);

/// Feeds `input` in pieces of `size` bytes: what passes, and why a head was refused.
fn feed(input: &[u8], size: usize) -> Fed {
    let mut frames = Frames::default();
    let mut passed = Vec::new();
    for piece in input.chunks(size.max(1)) {
        if let Err(broken) =
            frames.feed(piece, &mut |_| false, &mut |bytes| passed.extend_from_slice(bytes))
        {
            return (Err(broken), frames.refused());
        }
    }
    (Ok(passed), frames.refused())
}

fn passes(input: &str) {
    for size in [1, 2, 3, 7, 64, usize::MAX / 2] {
        let (passed, refused) = feed(input.as_bytes(), size);
        assert_eq!(passed.as_deref(), Ok(input.as_bytes()), "in pieces of {size}");
        assert_eq!(refused, None, "in pieces of {size}");
    }
}

fn refused(input: &str, rule: Rule) {
    for size in [1, 2, 5, usize::MAX / 2] {
        let (passed, why) = feed(input.as_bytes(), size);
        assert_eq!(why, Some((0, rule)), "{input:?} in pieces of {size}");
        assert_eq!(passed.as_deref(), Ok(STAND_IN), "nothing of it passes: {input:?}");
    }
}

#[test]
fn requests_pass_as_they_are() {
    passes("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    passes("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    passes("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /GET / HTTP/1.1\r\n\r\n");
    passes("POST / HTTP/1.1\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\nabcde");
    passes(
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked \r\n\r\n1\r\na\r\n00a;x=y\r\n0123456789\r\n0\r\nT: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    );
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let both =
        "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refused(both, Rule::LengthAndEncoding);
    let turned = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n";
    refused(turned, Rule::LengthAndEncoding);
    for value in [
        "identity",
        "gzip, chunked",
        "chunked, chunked",
        "xchunked",
        "",
        "\"chunked\"",
        "chunked;q=1",
    ] {
        let text = format!("POST / HTTP/1.1\r\nTransfer-Encoding: {value}\r\n\r\n");
        refused(&text, Rule::TransferEncoding);
    }
    refused(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        Rule::TransferEncoding,
    );
    for name in [
        "Transfer-Encoding ",
        "Transfer-Encoding\t",
        " Transfer-Encoding",
        "Transfer\u{b}-Encoding",
        "transfer_encoding",
        "Content-Length ",
        "\u{1}x",
    ] {
        let text = format!("POST / HTTP/1.1\r\nContent-Length: 3\r\n{name}: chunked\r\n\r\nabc");
        refused(&text, Rule::Malformed);
    }
    for value in ["+5", "-1", "5, 5", "0x5", "", "5 5", "1e2", "9999999999999999999"] {
        refused(&format!("POST / HTTP/1.1\r\nContent-Length: {value}\r\n\r\n"), Rule::Malformed);
    }
    let differing = "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n";
    refused(differing, Rule::Malformed);
    refused("GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", Rule::Malformed);
    refused("GET / HTTP/1.1\r\nno colon\r\n\r\n", Rule::Malformed);
    for text in [
        "GET / HTTP/1.1\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
    ] {
        refused(text, Rule::BareLineFeed);
    }
    refused("GET /\rx HTTP/1.1\r\n\r\n", Rule::Malformed);
}

#[test]
fn the_longest_heads_pass_and_longer_ones_do_not() {
    let fields = |n: usize| "a: b\r\n".repeat(n);
    passes(&format!("GET / HTTP/1.1\r\n{}\r\n", fields(HEADER_FIELDS_MAX)));
    let (_, why) =
        feed(format!("GET / HTTP/1.1\r\n{}\r\n", fields(HEADER_FIELDS_MAX + 1)).as_bytes(), 4096);
    assert_eq!(why, Some((0, Rule::HeaderFields)));
    let wide = |n: usize| format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(n - 5));
    for size in [900, 1 << 20] {
        assert_eq!(feed(wide(HEADER_BYTES_MAX).as_bytes(), size).1, None);
        assert_eq!(
            feed(wide(HEADER_BYTES_MAX + 1).as_bytes(), size).1,
            Some((0, Rule::HeaderBytes))
        );
    }
    let long = |n: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(n - 1));
    assert_eq!(feed(long(TARGET_BYTES_MAX).as_bytes(), 999).1, None);
    assert_eq!(feed(long(TARGET_BYTES_MAX + 100).as_bytes(), 999).1, Some((0, Rule::UriLength)));
    // Without an end, too.
    assert_eq!(feed("x".repeat(64 * 1024).as_bytes(), 999).1, Some((0, Rule::UriLength)));
}

#[test]
fn what_follows_a_refused_head_is_dropped() {
    let text = b"GET / HTTP/1.1\r\n\r\nGET /x HTTP/1.1\n\nGET /c/secret HTTP/1.1\r\n\r\n";
    let (passed, why) = feed(text, usize::MAX / 2);
    assert_eq!(why, Some((1, Rule::BareLineFeed)));
    assert_eq!(passed.unwrap(), [b"GET / HTTP/1.1\r\n\r\n", STAND_IN].concat());
}

#[test]
fn chunks_that_are_not_http_end_the_connection() {
    for body in [
        "x\r\n",
        "\r\n",
        "1\na\r\n",
        "1\r\nab\r\n",
        "-1\r\n",
        "0x1\r\na\r\n",
        "1 \r\na\r\n",
        "1\r\na\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "1;\u{1}\r\n",
    ] {
        let text = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        assert_eq!(feed(text.as_bytes(), 1).0, Err(Broken), "{body:?}");
    }
}

proptest! {
    #[test]
    fn the_way_in_which_bytes_arrive_changes_nothing(
        input in proptest::collection::vec(any::<u8>(), 0..300), size in 1_usize..40)
    {
        prop_assert_eq!(feed(&input, size).1.map(|(_, rule)| rule.as_str()), feed(&input, 1).1.map(|(_, rule)| rule.as_str()));
    }

    #[test]
    fn a_request_of_plausible_parts_is_read_the_same_in_any_pieces(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            "GET / HTTP/1.1", "POST / HTTP/1.1", "\r\n", "\n", "\r", "Host: a", "Content-Length: 3",
            "Transfer-Encoding: chunked", "\r\n\r\n", "3", "abc", "0", ":", " ", "\t", "content-length: 0",
        ]), 0..24), size in 1_usize..40)
    {
        let input = parts.concat();
        let (whole, pieces) = (feed(input.as_bytes(), usize::MAX / 2), feed(input.as_bytes(), size));
        prop_assert_eq!(whole.1, pieces.1);
        if whole.0.is_ok() {
            prop_assert_eq!(whole.0, pieces.0);
        }
    }
}
