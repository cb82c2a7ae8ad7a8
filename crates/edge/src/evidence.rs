//! Checks click ids and expands their claims to names. Only the edge does this; everybody after it reads the verdict.

use catalog::Snapshot;
use event::body::{ClaimedTouch, ClickEvidence, ClickSource, ClickVerdict};
use event::token::{Claim, TokenFault};
use event::{LinkName, Millis, ProgramId};

use crate::keys::Keys;

/// Bytes of a click id that are kept as evidence.
const RAW_BYTES_MAX: usize = 128;
/// Most cookies of one name that are read: a browser sends several only where domains or paths were changed.
pub(crate) const COOKIES_READ_MAX: usize = 4;

/// The verdict about a click id that came to a call of `program`.
pub(crate) fn verify(
    keys: &Keys,
    catalog: &Snapshot,
    program: ProgramId,
    text: &str,
    source: ClickSource,
    received_at: Millis,
) -> ClickEvidence {
    let (verdict, claim) = match keys.clicks.verify(text, received_at) {
        Ok(claim) if claim.program != program => (ClickVerdict::OtherProgram, None),
        Ok(claim) => match expand(catalog, &claim) {
            Some(touch) => (ClickVerdict::Valid, Some(touch)),
            // Signed by us, of a link that this node's catalog does not have: nothing could be credited.
            None => (ClickVerdict::UnknownKey, None),
        },
        Err(TokenFault::Malformed) => (ClickVerdict::Malformed, None),
        Err(TokenFault::UnknownKey) => (ClickVerdict::UnknownKey, None),
        Err(TokenFault::FromFuture) => (ClickVerdict::FromFuture, None),
        Err(_) => (ClickVerdict::BadMac, None),
    };
    ClickEvidence { raw: cut(text, RAW_BYTES_MAX).to_owned(), source, verdict, claim }
}

/// The verdict about the click ids in cookies of one name: of the valid ones that of the newest click, else of the first.
pub(crate) fn verify_cookies<'t>(
    keys: &Keys,
    catalog: &Snapshot,
    program: ProgramId,
    texts: impl Iterator<Item = &'t str>,
    source: ClickSource,
    received_at: Millis,
) -> Option<ClickEvidence> {
    let of = |evidence: &ClickEvidence| evidence.claim.as_ref().map(|claim| claim.id);
    texts
        .filter(|text| !text.is_empty())
        .take(COOKIES_READ_MAX)
        .map(|text| verify(keys, catalog, program, text, source, received_at))
        .reduce(|best, other| if of(&other) > of(&best) { other } else { best })
}

/// The claim with names in place of numbers.
pub(crate) fn expand(catalog: &Snapshot, claim: &Claim) -> Option<ClaimedTouch> {
    let link = catalog.link_by_id(claim.link)?;
    let partner = match claim.partner {
        Some(id) => Some(catalog.partner_by_id(id)?.name().clone()),
        None => None,
    };
    Some(ClaimedTouch {
        id: claim.id,
        partner,
        link: LinkName::new(link.name()).ok()?,
        channel: Some(link.channel().clone()),
        consent: claim.consent,
        test: claim.test,
        prefetch: claim.prefetch,
        visitor: claim.visitor,
    })
}

/// `text` cut to at most `bytes` at a character boundary.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}
