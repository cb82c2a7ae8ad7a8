//! What the edge measures. Labels are closed sets; handles are made once, after the recorder is installed.

use event::{Code, Consent, Flag};
use metrics::{Counter, Gauge, Histogram};
use telemetry::Metric;

const REQUESTS: Metric = Metric::counter("edge_requests_total", "Requests answered.")
    .labels(&["endpoint", "status_class"]);
/// From 50 µs, where a redirect lies, to the limit of a handler.
const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 5.0,
];
const REQUEST_SECONDS: Metric = Metric::histogram(
    "edge_request_seconds",
    SECONDS,
    "Time from the parsed request head to the response head. Seconds.",
)
.labels(&["endpoint"]);
const ACCEPTED: Metric =
    Metric::counter("edge_events_accepted_total", "Events given to the journal.").labels(&["kind"]);
const REJECTED: Metric =
    Metric::counter("edge_events_rejected_total", "Events refused by an endpoint, by reason code.")
        .labels(&["code"]);
const REJECTED_UNRECORDED: Metric = Metric::counter(
    "edge_rejections_counted_only_total",
    "Refusals above the rate at which they are events; counted only.",
);
const FLAGGED: Metric =
    Metric::counter("edge_events_flagged_total", "Flags set on events.").labels(&["flag"]);
const UNRECORDED: Metric = Metric::counter(
    "edge_events_unrecorded_total",
    "Events answered although the journal did not take them; each is a declared hole.",
)
.labels(&["reason"]);
const ABANDONED: Metric = Metric::counter(
    "edge_events_abandoned_total",
    "Events that nobody waited for until they were durable: most probably recorded, and declared in doubt.",
);
const HOLES: Metric = Metric::counter(
    "edge_sequence_holes_total",
    "Sequences in no file or in doubt: yes once node.log declares them, no where a lane ended without that.",
)
.labels(&["declared"]);
const FALLBACKS: Metric =
    Metric::counter("edge_redirects_fallback_total", "Redirects to a fallback.")
        .labels(&["reason"]);
const CONSENT: Metric =
    Metric::counter("edge_consent_total", "Touches and landing reports by consent.")
        .labels(&["state"]);
const GATE_REFUSED: Metric =
    Metric::counter("edge_gate_refused_total", "Requests refused before any endpoint.")
        .labels(&["rule"]);
const CONNECTIONS: Metric = Metric::gauge("edge_connections", "Open connections.");
const CONNECTIONS_REFUSED: Metric =
    Metric::counter("edge_connections_refused_total", "Connections closed at accept.")
        .labels(&["reason"]);
const CONNECTIONS_CUT: Metric = Metric::counter(
    "edge_connections_cut_total",
    "Connections ended by us: the peer was too slow or silent, or a drain was over.",
)
.labels(&["reason"]);
const RATE_REFUSED: Metric =
    Metric::counter("ratelimit_refused_total", "Calls above the rate of their key or address.")
        .labels(&["endpoint"]);
const LANE_BEHIND: Metric = Metric::gauge(
    "edge_lane_behind_seconds",
    "How far the clock lies behind the time that lanes have already used; 0 unless it stepped back.",
);

/// Everything this crate measures.
pub const METRICS: &[Metric] = &[
    REQUESTS,
    REQUEST_SECONDS,
    ACCEPTED,
    REJECTED,
    REJECTED_UNRECORDED,
    FLAGGED,
    UNRECORDED,
    ABANDONED,
    HOLES,
    FALLBACKS,
    CONSENT,
    GATE_REFUSED,
    CONNECTIONS,
    CONNECTIONS_REFUSED,
    CONNECTIONS_CUT,
    RATE_REFUSED,
    LANE_BEHIND,
];

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, in order.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The label.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

labels! {
    /// An endpoint.
    Endpoint {
        /// `/c/{link}`.
        Click = "click",
        /// `/i/{link}.gif`.
        Impression = "impression",
        /// `/p/{program}.gif`.
        Pixel = "pixel",
        /// `/t/{program}.js`.
        Tag = "tag",
        /// `/v1/clicks`.
        Landing = "landing",
        /// `/v1/conversions`.
        Conversions = "conversions",
        /// `/v1/orders`.
        Orders = "orders",
        /// `/v1/programs/{program}/recent`.
        Recent = "recent",
        /// Everything else, refusals of the gate too.
        Other = "other",
    }
}

labels! {
    /// A rule of the request gate.
    Rule {
        /// No `Host` in HTTP/1.1.
        NoHost = "no_host",
        /// More than one `Host`.
        TwoHosts = "two_hosts",
        /// A host that is not ours.
        OtherHost = "other_host",
        /// Absolute form for another host.
        AbsoluteForm = "absolute_form",
        /// `Content-Length` with `Transfer-Encoding`.
        LengthAndEncoding = "length_and_encoding",
        /// `Transfer-Encoding` other than exactly `chunked`.
        TransferEncoding = "transfer_encoding",
        /// TRACE, CONNECT or a method nobody knows.
        Method = "method",
        /// A line that does not end in CR LF.
        BareLineFeed = "bare_line_feed",
        /// A head or chunk that is not HTTP.
        Malformed = "malformed",
        /// The URI is too long.
        UriLength = "uri_length",
        /// Too many header fields.
        HeaderFields = "header_fields",
        /// Too many header bytes.
        HeaderBytes = "header_bytes",
    }
}

labels! {
    /// Why a connection was closed at accept.
    Refused {
        /// Too many in all.
        Total = "total",
        /// Too many of one address.
        Address = "address",
        /// Accept failed.
        Accept = "accept",
    }
}

labels! {
    /// Why a connection was ended.
    Cut {
        /// The head took too long.
        Header = "header",
        /// Nothing came for too long.
        Idle = "idle",
        /// The peer reads too slowly.
        Write = "write",
        /// The body took too long.
        Body = "body",
        /// The drain's end.
        Drain = "drain",
    }
}

labels! {
    /// A kind of event.
    Kind {
        /// A click.
        Click = "click",
        /// A HEAD request on a link: counted, no event.
        Head = "head",
        /// An impression.
        Impression = "impression",
        /// A landing report.
        Landing = "landing",
        /// An activation.
        Activation = "activation",
        /// A conversion.
        Conversion = "conversion",
        /// A validation.
        Validation = "validation",
        /// A refusal.
        Rejected = "rejected",
    }
}

labels! {
    /// Why a redirect went elsewhere than the link says.
    Fallback {
        /// The link is disabled.
        Disabled = "link_disabled",
        /// The link is expired.
        Expired = "link_expired",
        /// The program is paused.
        Paused = "program_paused",
        /// The partner's part is over.
        PartnerEnded = "partner_ended",
        /// No such link.
        UnknownLink = "unknown_link",
        /// The deep link was refused.
        DeepLink = "deeplink_refused",
    }
}

/// Label values of `edge_events_unrecorded_total`.
const UNRECORDED_REASONS: [&str; 7] =
    ["full", "shedding", "disk_full", "failed", "oversize", "closed", "other"];
const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Handles of everything that the edge measures.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Vec<Vec<Counter>>,
    request_seconds: Vec<Histogram>,
    accepted: Vec<Counter>,
    rejected: Vec<(Code, Counter)>,
    /// Refusals that are no events, because there were too many.
    pub rejected_counted_only: Counter,
    flagged: Vec<Counter>,
    unrecorded: Vec<Counter>,
    /// Events that nobody waited for until they were durable.
    pub abandoned: Counter,
    /// Sequences declared lost.
    pub holes_declared: Counter,
    /// Sequences that a lane could not declare before its end; the next start judges them.
    pub holes_undeclared: Counter,
    fallbacks: Vec<Counter>,
    consent: [Counter; 4],
    gate_refused: Vec<Counter>,
    /// Open connections.
    pub connections: Gauge,
    connections_refused: Vec<Counter>,
    connections_cut: Vec<Counter>,
    rate_refused: Vec<(Endpoint, Counter)>,
    /// How far lanes are ahead of the clock.
    pub lane_behind: Gauge,
}

impl Metrics {
    /// Makes every handle, so that every series exists from the start.
    pub(crate) fn new() -> Self {
        fn each<T: Copy>(
            all: &[T],
            metric: &Metric,
            label: impl Fn(T) -> &'static str,
        ) -> Vec<Counter> {
            all.iter().map(|value| metric.counter_of(&[label(*value)])).collect()
        }
        // A code's number is its label; the numbers are a closed set, so the texts are made once.
        let number = |code: Code| -> &'static str { code_label(code) };
        Self {
            requests: Endpoint::ALL
                .iter()
                .map(|endpoint| {
                    let of = |class| REQUESTS.counter_of(&[endpoint.as_str(), class]);
                    STATUS_CLASSES.into_iter().map(of).collect()
                })
                .collect(),
            request_seconds: Endpoint::ALL
                .iter()
                .map(|endpoint| REQUEST_SECONDS.histogram_of(&[endpoint.as_str()]))
                .collect(),
            accepted: each(Kind::ALL, &ACCEPTED, Kind::as_str),
            rejected: Code::ALL
                .iter()
                .filter(|code| (100..300).contains(&code.number()))
                .map(|code| (*code, REJECTED.counter_of(&[number(*code)])))
                .collect(),
            rejected_counted_only: REJECTED_UNRECORDED.counter_of(&[]),
            flagged: each(Flag::ALL, &FLAGGED, Flag::as_str),
            unrecorded: each(&UNRECORDED_REASONS, &UNRECORDED, |reason| reason),
            abandoned: ABANDONED.counter_of(&[]),
            holes_declared: HOLES.counter_of(&["yes"]),
            holes_undeclared: HOLES.counter_of(&["no"]),
            fallbacks: each(Fallback::ALL, &FALLBACKS, Fallback::as_str),
            consent: [Consent::Unknown, Consent::Granted, Consent::Exempt, Consent::Denied]
                .map(|state| CONSENT.counter_of(&[state.as_str()])),
            gate_refused: each(Rule::ALL, &GATE_REFUSED, Rule::as_str),
            connections: CONNECTIONS.gauge_of(&[]),
            connections_refused: each(Refused::ALL, &CONNECTIONS_REFUSED, Refused::as_str),
            connections_cut: each(Cut::ALL, &CONNECTIONS_CUT, Cut::as_str),
            rate_refused: [
                Endpoint::Pixel,
                Endpoint::Landing,
                Endpoint::Conversions,
                Endpoint::Orders,
            ]
            .map(|endpoint| (endpoint, RATE_REFUSED.counter_of(&[endpoint.as_str()])))
            .into(),
            lane_behind: LANE_BEHIND.gauge_of(&[]),
        }
    }

    fn count(list: &[Counter], at: usize, n: u64) {
        if let Some(counter) = list.get(at) {
            counter.increment(n);
        }
    }

    /// Counts `n` answers.
    pub(crate) fn requests(&self, endpoint: Endpoint, status_class: usize, n: u64) {
        if let Some(classes) = self.requests.get(endpoint as usize) {
            Self::count(classes, status_class.wrapping_sub(1), n);
        }
    }

    /// Records `n` answers that took about `seconds`.
    pub(crate) fn request_seconds(&self, endpoint: Endpoint, seconds: f64, n: usize) {
        if let Some(histogram) = self.request_seconds.get(endpoint as usize) {
            histogram.record_many(seconds, n);
        }
    }

    /// Counts accepted events.
    pub(crate) fn accepted(&self, kind: Kind, n: u64) {
        Self::count(&self.accepted, kind as usize, n);
    }

    /// Counts a refusal of an endpoint.
    pub(crate) fn rejected(&self, code: Code) {
        if let Some((_, counter)) = self.rejected.iter().find(|(known, _)| *known == code) {
            counter.increment(1);
        }
    }

    /// Counts flags.
    pub(crate) fn flagged(&self, flags: crate::flags::Flags) {
        if !flags.is_empty() {
            for flag in flags.iter() {
                Self::count(&self.flagged, flag as usize, 1);
            }
        }
    }

    /// Counts events that were answered and not recorded.
    pub(crate) fn unrecorded(&self, reason: &str, n: u64) {
        let last = UNRECORDED_REASONS.len() - 1;
        let at = UNRECORDED_REASONS.iter().position(|known| *known == reason).unwrap_or(last);
        Self::count(&self.unrecorded, at, n);
    }

    /// Counts a redirect to a fallback.
    pub(crate) fn fallback(&self, reason: Fallback) {
        Self::count(&self.fallbacks, reason as usize, 1);
    }

    /// Counts a consent state.
    pub(crate) fn consent(&self, state: Consent) {
        Self::count(&self.consent, consent_place(state), 1);
    }

    /// Counts a refusal of the gate.
    pub(crate) fn gate_refused(&self, rule: Rule) {
        Self::count(&self.gate_refused, rule as usize, 1);
    }

    /// Counts a connection closed at accept.
    pub(crate) fn connection_refused(&self, reason: Refused) {
        Self::count(&self.connections_refused, reason as usize, 1);
    }

    /// Counts a call above its rate.
    pub(crate) fn rate_refused(&self, endpoint: Endpoint) {
        if let Some((_, counter)) = self.rate_refused.iter().find(|(known, _)| *known == endpoint) {
            counter.increment(1);
        }
    }

    /// Counts a connection that was ended.
    pub(crate) fn connection_cut(&self, reason: Cut) {
        Self::count(&self.connections_cut, reason as usize, 1);
    }
}

/// Place of a state among the handles.
const fn consent_place(state: Consent) -> usize {
    match state {
        Consent::Unknown => 0,
        Consent::Granted => 1,
        Consent::Exempt => 2,
        Consent::Denied => 3,
    }
}

/// The number of a code as text.
fn code_label(code: Code) -> &'static str {
    macro_rules! of {
        ($($number:literal)*) => { match code.number() { $($number => stringify!($number),)* _ => "other" } };
    }
    of!(101 102 103 104 105 106 107 108 109 110 111 112 113 201 202 203 204 205 206)
}

/// Requests of a core in one tick whose time is measured one by one; of those above, each [`SAMPLE_EVERY`]th is
/// measured and stands for as many: reading the clock twice costs a redirect a hundredth of its time.
const SAMPLED_FROM: u32 = 512;
const SAMPLE_EVERY: u32 = 16;

/// Counts of one core, folded into the shared histograms once a second: a request pays two additions.
#[derive(Debug, Default)]
pub(crate) struct CoreCounts {
    requests: [[u32; 5]; 8],
    seconds: [[u32; SECONDS.len() + 1]; 8],
    begun: u32,
    accepted: [u32; Kind::ALL.len()],
    consent: [u32; 4],
}

impl CoreCounts {
    /// How many requests the time of this one shall stand for, if it shall be measured.
    pub(crate) const fn begin(&mut self) -> Option<u32> {
        self.begun += 1;
        if self.begun <= SAMPLED_FROM {
            Some(1)
        } else if self.begun.is_multiple_of(SAMPLE_EVERY) {
            Some(SAMPLE_EVERY)
        } else {
            None
        }
    }

    /// Notes an answer, with its time and how many requests that stands for.
    pub(crate) fn answered(
        &mut self,
        endpoint: Endpoint,
        status: http::StatusCode,
        took: Option<(std::time::Duration, u32)>,
    ) {
        let at = endpoint as usize;
        let class = usize::from(status.as_u16() / 100).wrapping_sub(1);
        if let Some(count) = self.requests.get_mut(at).and_then(|classes| classes.get_mut(class)) {
            *count += 1;
        }
        let Some((took, weight)) = took else { return };
        let seconds = took.as_secs_f64();
        let bucket = SECONDS.iter().position(|bound| seconds <= *bound).unwrap_or(SECONDS.len());
        if let Some(count) = self.seconds.get_mut(at).and_then(|buckets| buckets.get_mut(bucket)) {
            *count += weight;
        }
    }

    /// Counts an accepted event.
    pub(crate) fn accepted(&mut self, kind: Kind) {
        if let Some(count) = self.accepted.get_mut(kind as usize) {
            *count += 1;
        }
    }

    /// Counts a consent state.
    pub(crate) fn consent(&mut self, state: Consent) {
        if let Some(count) = self.consent.get_mut(consent_place(state)) {
            *count += 1;
        }
    }

    /// Adds everything to the shared metrics and starts at 0 again.
    pub(crate) fn fold(&mut self, metrics: &Metrics) {
        self.begun = 0;
        for (count, counter) in self.accepted.iter_mut().zip(&metrics.accepted) {
            counter.increment(u64::from(std::mem::take(count)));
        }
        for (count, counter) in self.consent.iter_mut().zip(&metrics.consent) {
            counter.increment(u64::from(std::mem::take(count)));
        }
        for (at, endpoint) in Endpoint::ALL.iter().enumerate() {
            for (class, count) in self.requests.get_mut(at).into_iter().flatten().enumerate() {
                if *count > 0 {
                    metrics.requests(*endpoint, class + 1, u64::from(std::mem::take(count)));
                }
            }
            for (bucket, count) in self.seconds.get_mut(at).into_iter().flatten().enumerate() {
                if *count > 0 {
                    // The middle of the bucket stands for its values: the bucket counts are exact, the sum is not.
                    let high = SECONDS.get(bucket).copied().unwrap_or(10.0);
                    let low =
                        bucket.checked_sub(1).and_then(|b| SECONDS.get(b)).copied().unwrap_or(0.0);
                    let n = usize::try_from(std::mem::take(count)).unwrap_or(0);
                    metrics.request_seconds(*endpoint, low.midpoint(high), n);
                }
            }
        }
    }
}
