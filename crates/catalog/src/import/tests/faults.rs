//! Faults of files, by their messages.
