//! Settings of the log on Kafka. Read by every binary, so that one without Kafka can refuse them by name.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telemetry::Fault;

/// What of librdkafka's properties decides whether anything is lost or doubled, or has a key of its own here.
const GUARDED: [&str; 27] = [
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "client.id",
    "compression.type",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "enable.ssl.certificate.verification",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "message.max.bytes",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "request.required.acks",
    "session.timeout.ms",
    "statistics.interval.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// The event log on Apache Kafka 4. Read by `sillage topics`, which makes and checks the topics; the roles of `sillage serve`
/// run on the log on disk. Needs a binary that was built with the cargo feature `kafka`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Brokers to ask first, as `host:port`; two or three are enough, the rest is learned from them. Default none: no Kafka.
    pub brokers: Vec<String>,
    /// Put before the name of each topic, group and transaction, so that several installations share a cluster. Letters,
    /// digits, `.`, `_` and `-`, at most 64. Default none.
    pub prefix: String,
    /// Name of this process among those of its role, the same after each restart, such as a pod's name: a restart within
    /// `session_timeout` takes its partitions up again, and the new process shuts the old one out. Letters, digits, `.`, `_`
    /// and `-`, at most 64. No default: needed with `brokers`.
    pub instance: String,
    /// Partitions of each topic but `catalog.versions` and `node.log`, which have one. They bound how many processes
    /// of a role work at a time, and never change once there are events. Range 1 to 1,024; default 12.
    pub partitions: NonZeroU32,
    /// Copies of each partition. Range 1 to 7; default 3.
    pub replication: NonZeroU32,
    /// Copies that must have a record before it counts as durable. Range 1 to `replication`; default 2: one broker may be
    /// away, and nothing that was acknowledged is on one alone.
    pub min_insync_replicas: NonZeroU32,
    /// Silence after which a process is taken for dead and its partitions go to others. Range 1 s to 5 min; default 45 s.
    #[serde(with = "humantime_serde")]
    pub session_timeout: Duration,
    /// Age at which the cluster aborts a transaction that nobody ends; until then readers wait behind it. Range 1 s to
    /// 15 min; default 30 s.
    #[serde(with = "humantime_serde")]
    pub transaction_timeout: Duration,
    /// Longest wait for an answer of the cluster. Range 1 s to 5 min; default 30 s.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// Records that a producer holds at a time. Count, 1,000 to 1,000,000; default 100,000.
    pub queue_records_max: u32,
    /// Bytes that a producer holds at a time; the process needs two to three times as much memory. Bytes, 4 MiB to 1 GiB;
    /// default 64 MiB.
    pub queue_bytes_max: u32,
    /// Further properties of librdkafka, such as `"security.protocol"`. What decides about loss and doubling is not among them.
    /// Default none.
    pub client: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        let count = |n: u32| NonZeroU32::MIN.saturating_add(n - 1);
        Self {
            brokers: Vec::new(),
            prefix: String::new(),
            instance: String::new(),
            partitions: count(12),
            replication: count(3),
            min_insync_replicas: count(2),
            session_timeout: Duration::from_secs(45),
            transaction_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            queue_records_max: 100_000,
            queue_bytes_max: 64 << 20,
            client: BTreeMap::new(),
        }
    }
}

/// Whether Kafka takes it as a part of a name.
fn is_name(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

impl Config {
    /// Whether anybody asked for Kafka.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.brokers.is_empty()
    }

    /// Every rule that this configuration breaks.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.is_set() && !cfg!(feature = "kafka") {
            let text = "is given, but this binary was built without Kafka: build it with the cargo feature `kafka`";
            faults.push(Fault::new("brokers", text));
        }
        for broker in &self.brokers {
            let port = broker.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
            if !matches!(port, Some((host, Ok(1..))) if !host.is_empty() && !host.contains(',')) {
                let text = format!("holds {broker:?}: give each as host:port");
                faults.push(Fault::new("brokers", text));
            }
        }
        let name = "use letters, digits, `.`, `_` and `-`, at most 64";
        if !is_name(&self.prefix) {
            faults.push(Fault::new("prefix", format!("is {:?}: {name}", self.prefix)));
        }
        if !is_name(&self.instance) || self.is_set() && self.instance.is_empty() {
            faults.push(Fault::new("instance", format!("is {:?}: {name}", self.instance)));
        }
        let mut range = |key: &str, value: u32, least: u32, most: u32| {
            if value < least || value > most {
                faults.push(Fault::new(key, format!("is {value}; give {least} to {most}")));
            }
        };
        let replication = self.replication.get();
        range("partitions", self.partitions.get(), 1, 1_024);
        range("replication", replication, 1, 7);
        range("min_insync_replicas", self.min_insync_replicas.get(), 1, replication);
        range("queue_records_max", self.queue_records_max, 1_000, 1_000_000);
        range("queue_bytes_max", self.queue_bytes_max, 4 << 20, 1 << 30);
        let times = [
            ("session_timeout", self.session_timeout, 300_000),
            ("transaction_timeout", self.transaction_timeout, 900_000),
            ("request_timeout", self.request_timeout, 300_000),
        ];
        faults.extend(
            times.into_iter().filter_map(|(key, time, most)| Fault::time(key, time, 1_000..=most)),
        );
        for property in self.client.keys().filter(|key| GUARDED.contains(&key.as_str())) {
            faults.push(Fault::new(format!("client.{property}"), "is not to be changed"));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    fn kafka() -> Config {
        Config {
            brokers: vec!["k1:9092".to_owned()],
            instance: "one".to_owned(),
            ..Config::default()
        }
    }

    #[test]
    fn without_brokers_nothing_is_asked_for_and_with_them_an_instance() {
        let keys = |config: Config| {
            let keys = config.faults().into_iter().map(|fault| fault.key);
            keys.filter(|key| cfg!(feature = "kafka") || key != "brokers").collect::<Vec<_>>()
        };
        assert_eq!(keys(Config::default()), Vec::<String>::new());
        assert_eq!(keys(kafka()), Vec::<String>::new());
        assert_eq!(keys(Config { instance: String::new(), ..kafka() }), ["instance"]);
    }

    #[test]
    fn a_binary_without_kafka_refuses_brokers_by_name() {
        let named =
            kafka().faults().iter().any(|fault| fault.text.contains("cargo feature `kafka`"));
        assert_eq!(named, !cfg!(feature = "kafka"));
    }

    #[test]
    fn all_faults_come_at_once() {
        let config = Config {
            brokers: vec![
                "k1".to_owned(),
                ":9092".to_owned(),
                "k1:0".to_owned(),
                "k1:9092".to_owned(),
            ],
            prefix: "a b".to_owned(),
            replication: super::NonZeroU32::MIN,
            queue_records_max: 999,
            session_timeout: super::Duration::from_millis(999),
            client: [("acks".to_owned(), "1".to_owned())].into(),
            ..kafka()
        };
        let text: Vec<String> = config.faults().iter().map(ToString::to_string).collect();
        for key in [
            "holds \"k1\"",
            "holds \":9092\"",
            "holds \"k1:0\"",
            "prefix",
            "min_insync",
            "queue_records",
            "session",
            "client.acks",
        ] {
            assert!(text.iter().any(|fault| fault.contains(key)), "{key} in {text:?}");
        }
        assert!(!text.iter().any(|fault| fault.contains("\"k1:9092\"")), "{text:?}");
    }
}
