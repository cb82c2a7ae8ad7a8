//! Conversions to one record per order, best evidence kept.
