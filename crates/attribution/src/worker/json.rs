//! A decision's envelope as JSON, its candidates written directly: there are many, and most of the time of the derived
//! way goes into names of fields. The bytes are those of the derived way, which a test compares.

use event::body::decision::{Candidate, Reach};
use event::body::touch::TouchKind;
use event::{Body, Consent, Envelope};

/// Where the derived way puts an empty list. Quotes inside of texts are escaped, so nothing else reads like this.
const EMPTY: &[u8] = b"\"candidates\":[]";

/// Appends the JSON of `envelope`.
pub(super) fn write(envelope: &mut Envelope, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let Body::Decision(decision) = &mut envelope.body else { return envelope.write(out) };
    let candidates = std::mem::take(&mut decision.trace.candidates);
    let start = out.len();
    envelope.write(out)?;
    let written = out.get(start..).unwrap_or_default();
    let place = written.windows(EMPTY.len()).rposition(|bytes| bytes == EMPTY);
    if let Some(place) = place {
        let tail = out.split_off(start + place + EMPTY.len() - 1);
        for (n, candidate) in candidates.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            write_candidate(candidate, out)?;
        }
        out.extend_from_slice(&tail);
    }
    if let Body::Decision(decision) = &mut envelope.body {
        decision.trace.candidates = candidates;
    }
    Ok(())
}

/// A text without anything to escape: names, ids, words of the format.
fn plain(out: &mut Vec<u8>, name: &[u8], text: &str) {
    out.extend_from_slice(name);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, name: &[u8], value: i64) {
    out.extend_from_slice(name);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn words<'a>(out: &mut Vec<u8>, name: &[u8], words: impl Iterator<Item = &'a str>) {
    out.extend_from_slice(name);
    out.push(b'[');
    for (n, word) in words.enumerate() {
        plain(out, if n > 0 { b"," } else { b"" }, word);
    }
    out.push(b']');
}

fn write_candidate(candidate: &Candidate, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let touch = candidate.touch.text();
    plain(out, b"{\"touch\":", std::str::from_utf8(&touch).unwrap_or_default());
    if candidate.kind == TouchKind::Impression {
        plain(out, b",\"kind\":", "impression");
    }
    number(out, b",\"touched_at\":", candidate.touched_at.0);
    if let Some(at) = candidate.received_at {
        number(out, b",\"received_at\":", at.0);
    }
    match &candidate.partner {
        Some(partner) => plain(out, b",\"partner\":", partner.as_str()),
        None => out.extend_from_slice(b",\"partner\":null"),
    }
    plain(out, b",\"link\":", candidate.link.as_str());
    if let Some(channel) = &candidate.channel {
        plain(out, b",\"channel\":", channel.as_str());
    }
    if candidate.consent != Consent::Granted {
        plain(out, b",\"consent\":", candidate.consent.as_str());
    }
    if !candidate.flags.is_empty() {
        words(out, b",\"flags\":", candidate.flags.iter().map(|flag| flag.as_str()));
    }
    if let Some(judged) = &candidate.judged {
        out.extend_from_slice(b",\"judged\":");
        serde_json::to_writer(&mut *out, judged)?; // its reason is free text
    }
    if candidate.reports > 0 {
        number(out, b",\"reports\":", i64::from(candidate.reports));
    }
    if *candidate.reached_by != [Reach::SharedId] {
        words(
            out,
            b",\"reached_by\":",
            candidate.reached_by.iter().map(|reach| reach_word(*reach)),
        );
    }
    number(out, b",\"window\":", i64::from(candidate.window));
    plain(out, b",\"verdict\":", candidate.verdict.as_str());
    number(out, b",\"code\":", i64::from(candidate.code.number()));
    number(out, b",\"step\":", i64::from(candidate.step));
    if !candidate.tags.is_empty() {
        words(out, b",\"tags\":", candidate.tags.iter().map(|tag| tag.as_str()));
    }
    out.push(b'}');
    Ok(())
}

const fn reach_word(reach: Reach) -> &'static str {
    match reach {
        Reach::ClickId => "click_id",
        Reach::ExemptClickId => "exempt_click_id",
        Reach::SharedId => "shared_id",
        Reach::Merge => "merge",
    }
}

#[cfg(test)]
mod tests {
    use event::EventId;
    use event::body::decision::Judged;

    use super::write;
    use crate::build::World;
    use crate::random::script;
    use crate::worker::envelope;

    #[test]
    fn the_bytes_are_those_of_the_derived_way() {
        let mut candidates = 0;
        for seed in 0..300 {
            for mut decision in World::read(&script(seed)).decisions() {
                candidates += decision.trace.candidates.len();
                if let Some(candidate) = decision.trace.candidates.first_mut() {
                    let first = EventId::from_bytes([7; 16]);
                    let reason = "\"candidates\":[] \u{1}é".to_owned();
                    candidate.judged = Some(Judged { count: 2, first, reason });
                    candidate.reports = 3;
                }
                decision.order_id = Some("\"candidates\":[]".into());
                let mut envelope = envelope(decision);
                let derived = envelope.to_json();
                let mut out = b"before".to_vec();
                write(&mut envelope, &mut out).unwrap();
                let text = String::from_utf8(out).unwrap();
                assert_eq!(text, format!("before{}", String::from_utf8(derived).unwrap()));
                assert_eq!(envelope.to_json(), text.as_bytes()[6..]);
            }
        }
        assert!(candidates > 500, "only {candidates} candidates");
    }
}
