//! Properties over random sets.
