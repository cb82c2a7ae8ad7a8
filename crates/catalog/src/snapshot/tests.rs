//! Tests of look-up and resolution.
