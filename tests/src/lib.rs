//! End to end: the real binary, browser and services.
