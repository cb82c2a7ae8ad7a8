//! Programs, segments, partners, links and their terms as immutable snapshots.
