//! Deletes segments that are old enough and read by every group, the oldest first.

use std::sync::atomic::Ordering;
use std::time::Duration;

use event::Millis;

use crate::cursor::Groups;
use crate::disk::SyncPoint;
use crate::queue::Fill;
use crate::signal::lock;
use crate::stream::Stream;

/// Deletes what may go; the number of segments deleted. The one that is written stays.
pub(crate) fn trim(
    stream: &Stream,
    groups: &Groups,
    keep: Option<Duration>,
    now: Millis,
    fill: &Fill,
) -> usize {
    let Some(keep) = keep else { return 0 };
    let _one_at_a_time = lock(&stream.trimming);
    let mut trimmed = 0;
    loop {
        let extent = stream.extent();
        let (Some(first), Some(second)) = (extent.segments.first(), extent.segments.get(1)) else {
            return trimmed;
        };
        // A segment is as old as its youngest record; the one after it was begun just later.
        let old = second.created_at.is_some_and(|ended| ended + keep <= now);
        let read = groups.lowest(stream.number()).is_none_or(|next| next >= second.first_offset);
        if !old || !read {
            return trimmed;
        }
        let removed = stream
            .disk
            .remove(&stream.path(first))
            .or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
            // One by one: if a crash brought back an older one and not this one, that would look like a loss.
            .and_then(|()| stream.disk.sync_folder(&stream.folder, SyncPoint::Removal));
        if let Err(e) = removed {
            tracing::warn!(topic = %stream.topic, error = %e, "delete an old segment");
            return trimmed;
        }
        let (number, bytes) = (first.number, first.end);
        stream.update(|extent| extent.segments.retain(|s| s.number != number));
        fill.bytes.fetch_sub(bytes, Ordering::Relaxed);
        trimmed += 1;
    }
}
