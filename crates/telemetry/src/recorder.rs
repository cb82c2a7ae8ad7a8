//! The Prometheus recorder: one per process, with buckets and help texts from the declarations.

use std::collections::HashSet;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::Error;
use crate::metric::{Kind, Metric};
use crate::process::ProcessMetrics;

/// How often histograms are folded into their buckets. Also done on every scrape; the timer bounds the memory of a
/// process that nobody scrapes.
pub(crate) const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// What this crate measures itself.
pub const METRICS: &[Metric] = &[
    BUILD_INFO,
    crate::process::RESIDENT_BYTES,
    crate::process::OPEN_FDS,
    crate::process::OPEN_FDS_MAX,
    crate::process::THREADS,
];

const BUILD_INFO: Metric =
    Metric::gauge("build_info", "Always 1; version and commit of the binary in the labels.")
        .labels(&["version", "commit"]);

/// The installed recorder: renders what every handle has counted.
#[derive(Clone, Debug)]
pub struct Recorder {
    handle: PrometheusHandle,
    process: Option<ProcessMetrics>,
}

impl Recorder {
    /// All metrics in the Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        if let Some(process) = &self.process {
            process.refresh();
        }
        self.handle.render()
    }

    /// Folds histograms; the admin listener calls it on a timer.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

/// Installs the recorder of this process for the `declared` lists (each crate's `METRICS`, this crate's own is added)
/// and sets `build_info`. Call it before any crate makes its handles.
///
/// # Errors
/// [`Error::MetricDeclared`] if declarations contradict each other, [`Error::RecorderInstalled`] on a second call.
pub fn install(
    declared: &[&[Metric]],
    version: &'static str,
    commit: &'static str,
) -> Result<Recorder, Error> {
    let recorder = builder(declared)?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| Error::RecorderInstalled)?;
    describe(declared);
    BUILD_INFO.gauge_of(&[version, commit]).set(1.0);
    Ok(Recorder { handle, process: Some(ProcessMetrics::new()) })
}

/// Runs `f` with a recorder of its own for this thread, and returns what it counted in the Prometheus text format:
/// for tests, since a process has only one global recorder.
///
/// # Errors
/// [`Error::MetricDeclared`] if declarations contradict each other.
pub fn local<T>(declared: &[&[Metric]], f: impl FnOnce() -> T) -> Result<(T, String), Error> {
    let recorder = builder(declared)?.build_recorder();
    let handle = recorder.handle();
    let value = metrics::with_local_recorder(&recorder, || {
        describe(declared);
        f()
    });
    Ok((value, handle.render()))
}

fn all<'a>(declared: &'a [&'a [Metric]]) -> impl Iterator<Item = &'a Metric> {
    METRICS.iter().chain(declared.iter().copied().flatten())
}

fn builder(declared: &[&[Metric]]) -> Result<PrometheusBuilder, Error> {
    let mut names = HashSet::new();
    let mut builder = PrometheusBuilder::new();
    for metric in all(declared) {
        let wrong = |why| Error::MetricDeclared { name: metric.name, why };
        if let Some(why) = metric.fault() {
            return Err(wrong(why));
        }
        if !names.insert(metric.name) {
            return Err(wrong("another declaration has this name"));
        }
        if metric.kind == Kind::Histogram {
            // Without buckets the exporter would print summaries, which cannot be added up over nodes.
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), metric.buckets)
                .map_err(|_| wrong("a histogram needs buckets"))?;
        }
    }
    Ok(builder)
}

fn describe(declared: &[&[Metric]]) {
    metrics::with_recorder(|recorder| {
        for metric in all(declared) {
            let (name, help) = (metric.name.into(), metric.help.into());
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram => recorder.describe_histogram(name, None, help),
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::local;
    use crate::{Error, Metric};

    const COMMITS: Metric = Metric::counter("log_commits_total", "Commits.").labels(&["outcome"]);
    const SECONDS: Metric =
        Metric::histogram("log_commit_seconds", &[0.001, 0.1], "Time of a commit. Seconds.");

    #[test]
    fn a_histogram_has_the_buckets_and_a_metric_the_help_of_its_declaration() {
        let ((), text) = local(&[&[COMMITS, SECONDS]], || {
            COMMITS.counter_of(&["done"]).increment(2);
            SECONDS.histogram_of(&[]).record(0.05);
        })
        .unwrap();
        expect![[r#"
            # HELP log_commits_total Commits.
            # TYPE log_commits_total counter
            log_commits_total{outcome="done"} 2

            # HELP log_commit_seconds Time of a commit. Seconds.
            # TYPE log_commit_seconds histogram
            log_commit_seconds_bucket{le="0.001"} 0
            log_commit_seconds_bucket{le="0.1"} 1
            log_commit_seconds_bucket{le="+Inf"} 1
            log_commit_seconds_sum 0.05
            log_commit_seconds_count 1

        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn a_name_declared_twice_is_refused() {
        let error = local(&[&[COMMITS], &[COMMITS]], || ()).unwrap_err();
        assert!(matches!(error, Error::MetricDeclared { name: "log_commits_total", .. }));
    }

    #[test]
    fn a_counter_without_total_a_gauge_with_it_and_unsorted_buckets_are_refused() {
        for wrong in [
            Metric::counter("commits", ""),
            Metric::gauge("commits_total", ""),
            Metric::histogram("commit_seconds", &[], ""),
            Metric::histogram("commit_seconds", &[1.0, 1.0], ""),
        ] {
            assert!(local(&[&[wrong]], || ()).is_err(), "{}", wrong.name);
        }
    }
}
