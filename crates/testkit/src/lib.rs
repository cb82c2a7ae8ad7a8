//! Stepped clock, builders, conformance suite, adversarial log.
