//! Loads compared with what is recorded.
