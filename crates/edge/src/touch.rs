//! A click or impression on its way into the journal: what was seen of it, written straight into the queue's buffer.

use catalog::LinkRef;
use event::base64url;
use event::body::touch::{DeviceClass, SUB_IDS_MAX};
use event::topic::KeyHash;
use event::{Consent, EventId, EventType, Millis, Topic, VisitorTag};
use eventlog::{Class, Header};

use crate::address::AddressHash;
use crate::agent::Agent;
use crate::core::Core;
use crate::every::every;
use crate::evidence::cut;
use crate::flags::Flags;
use crate::json;
use crate::query::Query;
use crate::response::Recorded;

/// Longest sub id and partner's click id, in bytes.
pub(crate) const SUB_ID_BYTES_MAX: usize = 255;
/// Longest creative, in bytes.
const CREATIVE_BYTES_MAX: usize = 64;
/// Longest referrer kept in the private block, in bytes.
const REFERRER_BYTES_MAX: usize = 2048;
/// Longest referrer host, in bytes.
const HOST_BYTES_MAX: usize = 253;

/// The parameters of a link, by our names; aliases are resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkParameters<'q> {
    pub subs: [Option<&'q str>; SUB_IDS_MAX as usize],
    pub to: Option<&'q str>,
    pub texp: Option<&'q str>,
    pub tsig: Option<&'q str>,
    pub pcid: Option<&'q str>,
    pub creative: Option<&'q str>,
    pub consent: Option<&'q str>,
    pub gdpr: Option<&'q str>,
    pub gdpr_consent: Option<&'q str>,
    pub test: bool,
    pub flags: Flags,
}

/// What a name on a link means; `0` to `9` are the sub ids.
enum Field {
    Sub(u8),
    To,
    Texp,
    Tsig,
    Pcid,
    Creative,
    Consent,
    Gdpr,
    GdprConsent,
    Test,
}

/// The always aliases of links (`conventions.md`, §1).
fn field(name: &str) -> Option<Field> {
    Some(match name {
        "s1" | "sub1" | "subid1" | "sharedid" | "aff_sub" | "eff_sub1" | "u1" | "epi"
        | "clickref" | "pref1" => Field::Sub(0),
        "s2" | "sub2" | "subid2" | "aff_sub2" | "eff_sub2" | "epi2" | "clickref2" | "pref2" => {
            Field::Sub(1)
        }
        "s3" | "sub3" | "subid3" | "aff_sub3" | "clickref3" | "pref3" => Field::Sub(2),
        "s4" | "sub4" | "subid4" | "aff_sub4" | "clickref4" | "pref4" => Field::Sub(3),
        "s5" | "sub5" | "subid5" | "aff_sub5" | "clickref5" | "pref5" => Field::Sub(4),
        "s6" | "sub6" | "subid6" | "clickref6" | "pref6" => Field::Sub(5),
        "s7" | "sub7" | "subid7" => Field::Sub(6),
        "s8" | "sub8" | "subid8" => Field::Sub(7),
        "s9" | "sub9" | "subid9" => Field::Sub(8),
        "s10" | "sub10" | "subid10" => Field::Sub(9),
        "to" | "url" | "ued" | "destination" | "murl" => Field::To,
        "texp" => Field::Texp,
        "tsig" => Field::Tsig,
        "pcid" | "partner_click_id" | "externalid" => Field::Pcid,
        "creative" => Field::Creative,
        "consent" | "cons" => Field::Consent,
        "gdpr" => Field::Gdpr,
        "gdpr_consent" => Field::GdprConsent,
        "test" => Field::Test,
        _ => return None,
    })
}

impl<'q> LinkParameters<'q> {
    /// Reads the parameters. Of two names of one field the first one counts.
    pub(crate) fn read(query: &'q Query<'_>) -> Self {
        let mut found = Self { flags: query.flags(), ..Self::default() };
        for pair in query.pairs() {
            let Some(field) = field(&pair.name) else { continue };
            let value = &*pair.value;
            let flags = &mut found.flags;
            let slot = match field {
                Field::Sub(n) => match found.subs.get_mut(usize::from(n)) {
                    Some(slot) => slot,
                    None => continue,
                },
                Field::To => &mut found.to,
                Field::Texp => &mut found.texp,
                Field::Tsig => &mut found.tsig,
                Field::Pcid => &mut found.pcid,
                Field::Creative => &mut found.creative,
                Field::Consent => &mut found.consent,
                Field::Gdpr => &mut found.gdpr,
                Field::GdprConsent => &mut found.gdpr_consent,
                Field::Test => {
                    found.test |= value == "1" || value.eq_ignore_ascii_case("true");
                    continue;
                }
            };
            match *slot {
                None => *slot = Some(value),
                Some(first) if first != value => flags.set(event::Flag::ParamConflict),
                Some(_) => flags.set(event::Flag::ParamDuplicate),
            }
        }
        for sub in found.subs.iter_mut().flatten() {
            if sub.len() > SUB_ID_BYTES_MAX {
                *sub = cut(sub, SUB_ID_BYTES_MAX);
                found.flags.set(event::Flag::SubidTruncated);
            }
        }
        found.pcid = found.pcid.map(|text| cut(text, SUB_ID_BYTES_MAX));
        found.creative = found.creative.map(|text| cut(text, CREATIVE_BYTES_MAX));
        found.gdpr = found.gdpr.map(|text| cut(text, 8));
        found.flags.set_if(found.test, event::Flag::Test);
        found
    }
}

/// Everything that the event of a touch says.
#[derive(Debug)]
pub(crate) struct TouchEvent<'a> {
    pub id: EventId,
    pub event_type: EventType,
    pub link: LinkRef<'a>,
    pub visitor: Option<VisitorTag>,
    pub flags: Flags,
    pub consent: Consent,
    /// Counted only: nothing that tells one visitor from another is written.
    pub count_only: bool,
    pub parameters: &'a LinkParameters<'a>,
    pub deep_link_host: Option<&'a str>,
    pub country: Option<&'a str>,
    pub agent: Agent,
    pub referrer: Option<&'a str>,
    pub address_hash: Option<AddressHash>,
    /// Day of the key and sealed private block.
    pub private: Option<(u32, &'a [u8])>,
}

impl TouchEvent<'_> {
    /// Gives it to the journal, without waiting.
    pub(crate) fn enqueue(&self, core: &Core, class: Class) -> Recorded {
        let id = self.id.text();
        let mut tag = [0; 16];
        let key = match &self.visitor {
            Some(visitor) => {
                base64url::fill(&visitor.0, &mut tag);
                tag.as_slice()
            }
            None => &id,
        };
        let header = Header {
            codec: event::envelope::CODEC_JSON,
            kind: self.event_type.number(),
            id: self.id,
            key_hash: KeyHash::of(key),
        };
        core.enqueue(Topic::Touches, class, header, &mut |out| self.write(out, &id, key))
    }

    /// Appends the envelope's JSON, as [`event::Envelope::write`] does. Texts whose types admit no character that JSON
    /// escapes stand between the pieces that close the one before and open the next.
    fn write(&self, out: &mut Vec<u8>, id: &[u8], key: &[u8]) {
        let parameters = self.parameters;
        let mut digits = itoa::Buffer::new();
        let time: Millis = self.id.time();
        let time = digits.format(time.0).as_bytes();
        put(out, b"{\"v\":1,\"id\":\"", id);
        put(out, b"\",\"type\":\"", self.event_type.as_str());
        put(out, b"\",\"occurred_at\":", time);
        put(out, b",\"received_at\":", time);
        put(out, b",\"program\":\"", self.link.program().name().as_str());
        if parameters.test {
            out.extend_from_slice(b"\",\"test\":true,\"key\":\"");
        } else {
            out.extend_from_slice(b"\",\"key\":\"");
        }
        out.extend_from_slice(key);
        match self.link.partner() {
            Some(partner) => {
                put(out, b"\",\"body\":{\"partner\":\"", partner.name().as_str());
                put(out, b"\",\"link\":\"", self.link.name());
            }
            None => put(out, b"\",\"body\":{\"link\":\"", self.link.name()),
        }
        put(out, b"\",\"channel\":\"", self.link.channel().as_str());
        if self.visitor.is_some() {
            put(out, b"\",\"ids\":[\"v:", key);
            out.extend_from_slice(b"\"]");
        } else {
            out.push(b'"');
        }
        if !self.flags.is_empty() {
            out.extend_from_slice(b",\"flags\":[");
            for (n, flag) in self.flags.iter().enumerate() {
                put(out, if n == 0 { b"\"".as_slice() } else { b"\",\"" }, flag.as_str());
            }
            out.extend_from_slice(b"\"]");
        }
        put(out, b",\"consent\":\"", self.consent.as_str());
        out.push(b'"');
        self.write_subs(out);
        json::optional(out, ",\"pcid\":", parameters.pcid.filter(|_| !self.count_only));
        let creative = parameters.creative.or_else(|| self.link.creative());
        json::optional(out, ",\"creative\":", creative);
        json::optional(out, ",\"deep_link_host\":", self.deep_link_host);
        json::optional(out, ",\"country\":", self.country);
        put(out, b",\"device\":\"", device(self.agent.device));
        put(out, b"\",\"browser\":\"", self.agent.browser.as_str());
        put(out, b"\",\"os\":\"", self.agent.os.as_str());
        if let Some(host) = self.referrer.and_then(host) {
            put(out, b"\",\"referrer_host\":\"", host);
        }
        if let Some(hash) = &self.address_hash {
            put(out, b"\",\"address_hash\":\"", hash);
        }
        out.push(b'"');
        json::optional(out, ",\"gdpr\":", parameters.gdpr);
        json::optional(out, ",\"gdpr_consent\":", parameters.gdpr_consent);
        if let Some((day, sealed)) = self.private {
            put(out, b",\"private\":{\"day\":", digits.format(day));
            out.extend_from_slice(b",\"sealed\":\"");
            base64url::append(sealed, out);
            out.extend_from_slice(b"\"}}}");
        } else {
            out.extend_from_slice(b"}}");
        }
    }

    fn write_subs(&self, out: &mut Vec<u8>) {
        const NAMES: [&str; 10] = [
            "\"s1\":", "\"s2\":", "\"s3\":", "\"s4\":", "\"s5\":", "\"s6\":", "\"s7\":", "\"s8\":",
            "\"s9\":", "\"s10\":",
        ];
        let mut first = true;
        for (name, sub) in NAMES.iter().zip(&self.parameters.subs) {
            let Some(sub) = sub else { continue };
            out.extend_from_slice(if first { b",\"subs\":{" } else { b"," });
            first = false;
            json::member(out, name, sub);
        }
        if !first {
            out.push(b'}');
        }
    }
}

/// Appends a piece of JSON and a text that needs no escape.
fn put(out: &mut Vec<u8>, piece: &[u8], text: impl AsRef<[u8]>) {
    out.extend_from_slice(piece);
    out.extend_from_slice(text.as_ref());
}

/// The word of a device class on the wire.
pub(crate) const fn device(class: DeviceClass) -> &'static str {
    match class {
        DeviceClass::Desktop => "desktop",
        DeviceClass::Mobile => "mobile",
        DeviceClass::Tablet => "tablet",
        DeviceClass::Tv => "tv",
        DeviceClass::Bot => "bot",
        DeviceClass::Unknown => "unknown",
    }
}

/// The host of a URL, without user, port and what follows: enough for a dimension of reports.
pub(crate) fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let end = memchr::memchr3(b'/', b'?', b'#', rest.as_bytes()).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() | (b == b'.') | (b == b'-') | (b == b'_');
    if (1..=HOST_BYTES_MAX).contains(&end) && every(authority.as_bytes(), plain) {
        return Some(authority); // as nearly all are: without user, port and brackets
    }
    let user = memchr::memrchr(b'@', authority.as_bytes()).map_or(0, |at| at + 1);
    let host = authority.get(user..)?;
    let (host, mark) = match host.strip_prefix('[') {
        Some(v6) => (v6, b']'),
        None => (host, b':'),
    };
    let host = host.get(..memchr::memchr(mark, host.as_bytes()).unwrap_or(host.len()))?;
    let good = |b: u8| plain(b) | (b == b':');
    ((1..=HOST_BYTES_MAX).contains(&host.len()) && every(host.as_bytes(), good)).then_some(host)
}

/// Appends the private block as JSON: user agent, which is JSON already, referrer and cut address.
pub(crate) fn write_private(
    out: &mut Vec<u8>,
    agent: Option<&[u8]>,
    referrer: Option<&str>,
    address: &str,
) {
    out.push(b'{');
    if let Some(agent) = agent {
        put(out, b"\"ua\":", agent);
        out.push(b',');
    }
    if let Some(referrer) = referrer {
        json::member(out, "\"referrer\":", cut(referrer, REFERRER_BYTES_MAX));
        out.push(b',');
    }
    put(out, b"\"address\":\"", address);
    out.extend_from_slice(b"\"}");
}

#[cfg(test)]
mod tests;
