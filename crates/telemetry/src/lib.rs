//! Logs, Prometheus metrics and the admin listener.
