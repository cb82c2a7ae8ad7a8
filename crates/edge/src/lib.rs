//! HTTP in: clicks, impressions, pixels, tag, server-to-server conversions.

pub mod agent;
