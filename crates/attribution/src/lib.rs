//! Touches and unique conversions to decisions that explain themselves.
