//! Topics on disk: producers, consumers, group commit.
