//! Who calls: signed server calls, tokens, pages. Compared in constant time, and never taken down to a lesser trust.
//!
//! A signature is HMAC-SHA256, in 64 hexadecimal digits in lower case, under the key's secret as it stands in the key
//! file, of
//!
//! ```text
//! method \n path \n query without sig, its pairs sorted \n hex(sha256(body)) \n timestamp \n nonce
//! ```
//!
//! in the headers `Sillage-Key`, `Sillage-Timestamp`, `Sillage-Nonce` and `Sillage-Signature: v1=<hex>`, or in the
//! query as `key`, `sig_ts`, `sig_nonce` and `sig`.

use catalog::program::TokenHash;
use catalog::{ProgramRef, Snapshot};
use data_encoding::HEXLOWER;
use event::body::Trust;
use event::keys::Secret;
use event::{Code, Millis, ProgramName};
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::conversion::fields::{Field, Fields};
use crate::keys::Keys;
use crate::request::Head;

/// Longest nonce, in bytes.
const NONCE_BYTES_MAX: usize = 128;
/// Where a signature must say its version.
const VERSION: &str = "v1=";

/// A request as a signature covers it.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, as sent.
    pub path: &'a str,
    /// The query, as sent, without `?`.
    pub query: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// Unix seconds, as sent.
    pub timestamp: &'a str,
    /// The caller's nonce.
    pub nonce: &'a str,
}

impl Signable<'_> {
    fn mac(&self, secret: &Secret) -> Option<Hmac<Sha256>> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(event::base64url::encode(&secret.0).as_bytes()).ok()?;
        let mut pairs: Vec<&str> =
            self.query.split('&').filter(|p| !p.starts_with("sig=")).collect();
        pairs.sort_unstable();
        let body = HEXLOWER.encode(&Sha256::digest(self.body));
        for line in [self.method, self.path] {
            mac.update(line.as_bytes());
            mac.update(b"\n");
        }
        for (i, pair) in pairs.iter().enumerate() {
            if i > 0 {
                mac.update(b"&");
            }
            mac.update(pair.as_bytes());
        }
        for line in [body.as_str(), self.timestamp, self.nonce] {
            mac.update(b"\n");
            mac.update(line.as_bytes());
        }
        Some(mac)
    }

    /// The signature, without its version.
    #[must_use]
    pub fn sign(&self, secret: &Secret) -> String {
        let mac = self.mac(secret).map(|mac| HEXLOWER.encode(&mac.finalize().into_bytes()));
        mac.unwrap_or_default() // HMAC takes keys of every length
    }

    /// Whether the signature is right. Takes the same time for every wrong one of the right length.
    fn is_signed(&self, secret: &Secret, signature: &str) -> bool {
        let Ok(given) = HEXLOWER.decode(signature.as_bytes()) else {
            return false;
        };
        self.mac(secret).is_some_and(|mac| mac.finalize().into_bytes().ct_eq(&given).into())
    }
}

/// Who a call is from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'a> {
    /// The program that it may report for.
    pub(crate) program: ProgramRef<'a>,
    /// How far it is believed.
    pub(crate) trust: Trust,
    /// When it was signed, if it was.
    pub(crate) signed_at: Option<Millis>,
    /// Names the signature, if it was signed.
    pub(crate) signature: Option<SignatureId>,
    /// The id of the key that signed, if it was signed.
    pub(crate) key: Option<&'a str>,
    /// What its rate is counted by; a page's is counted by its client's address.
    pub(crate) rate_key: RateKey,
}

/// Names one signature. The same call sent again has the same; whoever signs anew makes another by its nonce. Half of
/// the signature's bytes, so that nobody who reads the name can call with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignatureId([u8; 16]);

impl SignatureId {
    fn of(signature: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(signature.as_bytes()).ok()?;
        bytes.first_chunk().copied().map(Self)
    }
}

impl std::fmt::Display for SignatureId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sig:{}", HEXLOWER.encode(&self.0))
    }
}

/// What the rate of a caller is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RateKey {
    /// A signing key or a token: the hash of it.
    Key([u8; 32]),
    /// The client's address.
    Address,
}

/// Why a call is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// No program is named, and no credential names one.
    NoProgram,
    /// The program named does not exist.
    UnknownProgram,
    /// Neither signature nor token, nor a page's origin.
    NoCredentials,
    /// Neither that, nor a program.
    Nothing,
    /// The signature is wrong, incomplete, or of a key that is not in use.
    BadSignature,
    /// The token is none of the program's.
    BadToken,
    /// Signed for another time.
    Stale,
    /// The key or token is another program's.
    OtherProgram,
    /// The page's origin is not on the program's list.
    OtherOrigin,
    /// The address is not on the program's list.
    OtherNetwork,
}

impl NotAdmitted {
    /// Status, code and words of the answer.
    pub(crate) const fn answer(self) -> (StatusCode, Code, &'static str) {
        use StatusCode as S;
        match self {
            Self::NoProgram => (S::UNPROCESSABLE_ENTITY, Code::Malformed, "program is required"),
            Self::UnknownProgram => {
                (S::NOT_FOUND, Code::UnknownProgram, "there is no program of this name")
            }
            Self::NoCredentials => (
                S::UNAUTHORIZED,
                Code::BadSignature,
                "the call has neither signature nor token, and no Origin of a page: send the program's token as \
                 Authorization: Bearer or as token, or sign the call",
            ),
            Self::Nothing => (
                S::UNAUTHORIZED,
                Code::BadSignature,
                "the call has neither signature nor token, and names no program: send the program's token (or sign the \
                 call), which names it; a page sends program and its Origin",
            ),
            Self::BadSignature => (
                S::UNAUTHORIZED,
                Code::BadSignature,
                "the signature does not match the request, or its key is not in use",
            ),
            Self::BadToken => {
                (S::UNAUTHORIZED, Code::BadSignature, "the token is not a token of this program")
            }
            Self::Stale => (
                S::UNAUTHORIZED,
                Code::StaleTimestamp,
                "the request is signed for a time too far from now",
            ),
            Self::OtherProgram => {
                (S::FORBIDDEN, Code::SourceRefused, "this key or token belongs to another program")
            }
            Self::OtherOrigin => (
                S::FORBIDDEN,
                Code::SourceRefused,
                "the page's origin is not on the site list of this program",
            ),
            Self::OtherNetwork => (
                S::FORBIDDEN,
                Code::SourceRefused,
                "this address is not on the list of addresses that may report",
            ),
        }
    }
}

/// Whether pages may call at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// An `Origin` on the program's site list is a credential.
    Admitted,
    /// A signature or a token is needed.
    Refused,
}

/// What a call is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a, 'f> {
    /// The head.
    pub(crate) head: &'a Head,
    /// The body.
    pub(crate) body: &'a [u8],
    /// Names and values of query and body.
    pub(crate) fields: &'a Fields<'f>,
    /// The program that the call names.
    pub(crate) program: Option<&'a str>,
    /// How far a signature's time may lie from now, in milliseconds.
    pub(crate) skew_ms_max: i64,
}

/// The program of a call that names it, and that exists.
fn named<'s>(catalog: &'s Snapshot, name: &str) -> Result<ProgramRef<'s>, NotAdmitted> {
    catalog.program(name).filter(|p| !p.is_retired()).ok_or(NotAdmitted::UnknownProgram)
}

/// Judges a call: a signature first, then a token, then the page it comes from. A credential that is wrong refuses the
/// call, whatever else it carries.
///
/// # Errors
/// [`NotAdmitted`] names the rule.
pub(crate) fn admit<'s>(
    catalog: &'s Snapshot,
    keys: &Keys,
    call: Call<'_, '_>,
    pages: Pages,
) -> Result<Caller<'s>, NotAdmitted> {
    let program = call.program.map(|name| named(catalog, name)).transpose()?;
    let caller = if let Some(claim) = signature_of(call) {
        signed(catalog, keys, call, claim?, program)?
    } else if let Some(token) = token_of(call) {
        by_token(catalog, token, program)?
    } else {
        let origin = call.head.headers.get(http::header::ORIGIN).map(http::HeaderValue::as_bytes);
        let program = program.ok_or(match origin {
            Some(_) => NotAdmitted::NoProgram,
            None => NotAdmitted::Nothing,
        })?;
        return match (pages, origin) {
            (Pages::Admitted, Some(origin)) => {
                let sites = &program.body().sites;
                if !sites.iter().any(|site| site.as_bytes() == origin) {
                    return Err(NotAdmitted::OtherOrigin);
                }
                let rate_key = RateKey::Address;
                Ok(Caller {
                    program,
                    trust: Trust::Page,
                    signed_at: None,
                    signature: None,
                    key: None,
                    rate_key,
                })
            }
            (Pages::Admitted | Pages::Refused, _) => Err(NotAdmitted::NoCredentials),
        };
    };
    let networks = &caller.program.body().reports.source_networks;
    let address = call.head.client.address;
    if !networks.is_empty() && !networks.iter().any(|network| network.contains(&address)) {
        return Err(NotAdmitted::OtherNetwork);
    }
    Ok(caller)
}

/// What a call says about its signature.
struct SignatureClaim<'a> {
    key: &'a str,
    timestamp: &'a str,
    nonce: &'a str,
    signature: &'a str,
}

/// The claim of headers, else of the query; none if there is no trace of a signature.
fn signature_of<'a>(call: Call<'a, '_>) -> Option<Result<SignatureClaim<'a>, NotAdmitted>> {
    let header = |name| call.head.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let claim = if call.head.headers.contains_key("sillage-signature")
        || call.head.headers.contains_key("sillage-key")
    {
        (|| {
            Some(SignatureClaim {
                key: header("sillage-key")?,
                timestamp: header("sillage-timestamp")?,
                nonce: header("sillage-nonce")?,
                signature: header("sillage-signature")?.strip_prefix(VERSION)?,
            })
        })()
    } else {
        let signature = call.fields.text(Field::Sig)?;
        (|| {
            Some(SignatureClaim {
                key: call.fields.text(Field::Key)?,
                timestamp: call.fields.text(Field::SigTs)?,
                nonce: call.fields.text(Field::SigNonce)?,
                signature: signature.strip_prefix(VERSION).unwrap_or(signature),
            })
        })()
    };
    let complete = claim.filter(|c| !c.nonce.is_empty() && c.nonce.len() <= NONCE_BYTES_MAX);
    Some(complete.ok_or(NotAdmitted::BadSignature))
}

fn signed<'s>(
    catalog: &'s Snapshot,
    keys: &Keys,
    call: Call<'_, '_>,
    claim: SignatureClaim<'_>,
    named: Option<ProgramRef<'s>>,
) -> Result<Caller<'s>, NotAdmitted> {
    let SignatureClaim { key, timestamp, nonce, signature } = claim;
    let owner = catalog.program_by_report_key(key).ok_or(NotAdmitted::BadSignature)?;
    let secret = keys
        .call(key)
        .filter(|entry| entry.program == *owner.name())
        .map(|entry| &entry.secret)
        .ok_or(NotAdmitted::BadSignature)?;
    let request = Signable {
        method: call.head.method.as_str(),
        path: call.head.path(),
        query: call.head.query(),
        body: call.body,
        timestamp,
        nonce,
    };
    if !request.is_signed(secret, signature) {
        return Err(NotAdmitted::BadSignature);
    }
    let signed_at = timestamp
        .parse::<u32>()
        .map(|seconds| Millis(i64::from(seconds) * 1000))
        .map_err(|_| NotAdmitted::Stale)?;
    if signed_at.since(call.head.received_at).abs() > call.skew_ms_max {
        return Err(NotAdmitted::Stale);
    }
    if named.is_some_and(|named| named.id() != owner.id()) {
        return Err(NotAdmitted::OtherProgram);
    }
    let rate_key = RateKey::Key(Sha256::digest(key).into());
    let ids = &owner.body().reports.hmac_keys;
    Ok(Caller {
        program: owner,
        trust: Trust::Signed,
        signed_at: Some(signed_at),
        signature: SignatureId::of(signature),
        key: ids.iter().map(AsRef::as_ref).find(|id| *id == key),
        rate_key,
    })
}

fn token_of<'a>(call: Call<'a, '_>) -> Option<&'a str> {
    if let Some(header) = call.head.headers.get(http::header::AUTHORIZATION) {
        let text = header.to_str().unwrap_or_default();
        if let Some((scheme, token)) = text.split_once(' ')
            && scheme.eq_ignore_ascii_case("bearer")
        {
            return Some(token.trim());
        }
    }
    call.fields.text(Field::Token)
}

fn by_token<'s>(
    catalog: &'s Snapshot,
    token: &str,
    named: Option<ProgramRef<'s>>,
) -> Result<Caller<'s>, NotAdmitted> {
    let hash: [u8; 32] = Sha256::digest(token).into();
    let is_of = |program: ProgramRef<'_>| {
        let tokens = &program.body().reports.token_sha256;
        tokens.iter().fold(false, |found, TokenHash(known)| found | bool::from(known.ct_eq(&hash)))
    };
    // The table is keyed by hashes: what its timing tells is not the token.
    let owner = || catalog.program_by_token(&TokenHash(hash));
    let program = match named {
        Some(named) if is_of(named) => named,
        Some(_) if owner().is_some() => return Err(NotAdmitted::OtherProgram),
        Some(_) => return Err(NotAdmitted::BadToken),
        None => owner().filter(|owner| is_of(*owner)).ok_or(NotAdmitted::BadToken)?,
    };
    let rate_key = RateKey::Key(hash);
    Ok(Caller {
        program,
        trust: Trust::Token,
        signed_at: None,
        signature: None,
        key: None,
        rate_key,
    })
}

/// The name of the program that a call may be shown beside, even if it is refused.
pub(crate) fn program_of(catalog: &Snapshot, name: Option<&str>) -> Option<ProgramName> {
    name.and_then(|name| named(catalog, name).ok()).map(|program| program.name().clone())
}

#[cfg(test)]
mod tests;
