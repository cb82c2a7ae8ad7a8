//! Keys of the tables, and what is read back from them.

use event::{EventId, IdentityId, Millis, OrderKey};
use eventlog::Partition;

use crate::evidence::MergeEdge;
use crate::store::StoreError;
use crate::store::codec::{Reader, damaged, put_key_millis};
use crate::store::recent::{EPOCH_MAX, bounded_epoch};

/// Epoch of the tables about a touch: by the time in its id. Ids that no edge minted hold none; they share the last
/// epoch, so that what is too old to keep does not take them along.
pub(super) fn id_epoch(touch: EventId) -> u16 {
    if touch.is_minted() { bounded_epoch(touch.time()) } else { EPOCH_MAX }
}

/// For the set in memory alone: the same in one process is enough.
pub(super) fn fingerprint(prefix: &[u8]) -> u64 {
    use std::hash::BuildHasher as _;
    foldhash::fast::FixedState::with_seed(0x5111_a6e0).hash_one(prefix)
}

/// In keys: the same for ever.
pub(super) fn order_hash(order: &str) -> [u8; 8] {
    event::topic::KeyHash::of(order.as_bytes()).0.to_be_bytes()
}

pub(super) const CLICK: u8 = 0xff;
pub(super) const NOBODY: u8 = 0xfe;

pub(super) fn id_key(program: u32, test: bool, id: &IdentityId) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    key.extend_from_slice(&program.to_be_bytes());
    key.push(u8::from(test));
    key.extend_from_slice(&id.key_bytes());
    key
}

pub(super) fn click_key(program: u32, touch: EventId) -> Vec<u8> {
    let mut key = Vec::with_capacity(40);
    key.extend_from_slice(&program.to_be_bytes());
    key.push(CLICK);
    key.extend_from_slice(touch.as_bytes());
    key
}

pub(super) fn about_key(program: u32, touch: EventId) -> Vec<u8> {
    let mut key = Vec::with_capacity(20);
    key.extend_from_slice(&program.to_be_bytes());
    key.extend_from_slice(touch.as_bytes());
    key
}

pub(super) fn open_key(prefix: &[u8], converted_at: Millis, order: &str) -> Vec<u8> {
    let mut key = prefix.to_vec();
    put_key_millis(&mut key, converted_at);
    key.extend_from_slice(&order_hash(order));
    key
}

/// What an order is registered under; its time and the rest.
pub(super) fn open_parts(key: &[u8]) -> Result<(&[u8], &[u8]), StoreError> {
    let end = key.len().checked_sub(16).ok_or_else(damaged)?;
    key.split_at_checked(end).ok_or_else(damaged)
}

pub(super) fn merge_keys(
    (program, test): (u32, bool),
    id: IdentityId,
    edge: &MergeEdge,
) -> [Vec<u8>; 2] {
    [(id, edge.other), (edge.other, id)].map(|(from, to)| {
        let mut key = id_key(program, test, &from);
        key.extend_from_slice(&to.key_bytes());
        key.extend_from_slice(edge.stamp.id.as_bytes());
        key
    })
}

/// Behind the keys of all merges of one pair.
pub(super) fn behind_pair(prefix: &[u8], other: &IdentityId) -> Vec<u8> {
    let mut key = prefix.to_vec();
    key.extend_from_slice(&other.key_bytes());
    key.extend_from_slice(&[0xff; 17]); // longer and larger than any event id
    key
}

pub(super) fn cursor_key(partition: Partition) -> Vec<u8> {
    let mut key = partition.topic.name().as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&partition.index.to_be_bytes());
    key
}

/// Receipt and ticket of a deferred order.
pub(super) fn dirty(row: &[u8]) -> Result<(Millis, u64), StoreError> {
    let mut reader = Reader(row);
    Ok((reader.key_millis()?, reader.u64()?))
}

pub(super) fn order_key(text: &[u8]) -> Result<OrderKey, StoreError> {
    let text = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    text.ok_or_else(damaged)
}
