//! Declarations of metrics: name, labels, buckets and help text in one constant.

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata};

/// What a metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution over the declared buckets.
    Histogram,
}

/// One metric, declared as a constant in its crate's `metrics.rs`:
///
/// ```
/// use telemetry::Metric;
///
/// const ACCEPTED: Metric =
///     Metric::counter("edge_events_accepted_total", "Events accepted, by kind.").labels(&["kind"]);
/// /// Everything this crate measures; the binary hands all lists to `recorder::install`.
/// pub const METRICS: &[Metric] = &[ACCEPTED];
///
/// let clicks = ACCEPTED.counter_of(&["click"]); // after the recorder is installed; keep the handle
/// clicks.increment(1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Crate, noun, past participle, unit, `_total` for counters.
    pub name: &'static str,
    /// What it measures.
    pub kind: Kind,
    /// Label names. Their values are closed sets.
    pub labels: &'static [&'static str],
    /// Upper bounds of a histogram's buckets, ascending; empty for the others.
    pub buckets: &'static [f64],
    /// One sentence for `/metrics` and the published list, with the unit.
    pub help: &'static str,
}

const METADATA: Metadata<'static> = Metadata::new("sillage", Level::INFO, None);

impl Metric {
    /// A counter.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, labels: &[], buckets: &[], help }
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, labels: &[], buckets: &[], help }
    }

    /// A histogram with the upper bounds `buckets`.
    #[must_use]
    pub const fn histogram(
        name: &'static str,
        buckets: &'static [f64],
        help: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Histogram, labels: &[], buckets, help }
    }

    /// The same metric with these label names.
    #[must_use]
    pub const fn labels(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }

    /// Handle of this counter with label `values`, in the order of the declaration. Make it once and keep it.
    pub fn counter_of(&self, values: &[&'static str]) -> Counter {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        metrics::with_recorder(|recorder| recorder.register_counter(&self.key(values), &METADATA))
    }

    /// Handle of this gauge with label `values`, in the order of the declaration. Make it once and keep it.
    pub fn gauge_of(&self, values: &[&'static str]) -> Gauge {
        debug_assert_eq!(self.kind, Kind::Gauge, "{}", self.name);
        metrics::with_recorder(|recorder| recorder.register_gauge(&self.key(values), &METADATA))
    }

    /// Handle of this histogram with label `values`, in the order of the declaration. Make it once and keep it.
    pub fn histogram_of(&self, values: &[&'static str]) -> Histogram {
        debug_assert_eq!(self.kind, Kind::Histogram, "{}", self.name);
        metrics::with_recorder(|recorder| recorder.register_histogram(&self.key(values), &METADATA))
    }

    fn key(&self, values: &[&'static str]) -> Key {
        debug_assert_eq!(self.labels.len(), values.len(), "labels of {}", self.name);
        let labels: Vec<Label> = self
            .labels
            .iter()
            .zip(values)
            .map(|(name, value)| Label::from_static_parts(name, value))
            .collect();
        Key::from_parts(self.name, labels)
    }

    /// The rule that this declaration breaks, if any.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let counts = self.name.ends_with("_total");
        match self.kind {
            Kind::Counter if !counts => Some("the name of a counter ends in _total"),
            Kind::Gauge | Kind::Histogram if counts => Some("only a counter ends in _total"),
            Kind::Histogram if self.buckets.is_empty() => Some("a histogram needs buckets"),
            Kind::Histogram if !self.buckets.is_sorted_by(|low, high| low < high) => {
                Some("buckets must ascend")
            }
            Kind::Counter | Kind::Gauge | Kind::Histogram => None,
        }
    }
}
