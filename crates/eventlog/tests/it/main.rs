//! The log as its users see it, on the operating system's disk and on one that loses power.

mod append;
