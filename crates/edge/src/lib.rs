//! HTTP in: clicks, impressions, pixels, tag, server-to-server conversions.
