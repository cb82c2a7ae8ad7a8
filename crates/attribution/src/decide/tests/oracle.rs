//! A second implementation, by brute force.
