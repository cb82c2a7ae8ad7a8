//! How every client of the cluster is set up, and what its callbacks say.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

use super::config::Config;
use super::wire::OVERHEAD_BYTES;
use crate::error::Error;
use crate::record::PAYLOAD_BYTES_MAX;

/// A client of the operator's properties and of ours, which win.
fn client(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    for (key, value) in &config.client {
        client.set(key, value);
    }
    client.set("bootstrap.servers", config.brokers.join(","));
    client.set("client.id", format!("sillage-{}", config.instance));
    client.set_log_level(RDKafkaLogLevel::Info);
    client
}

fn ms(time: Duration) -> String {
    time.as_millis().to_string()
}

/// A member of `group`, or with `instance` none somebody who only asks what the group has committed.
pub(super) fn consumer(config: &Config, group: &str, instance: Option<&str>) -> ClientConfig {
    let mut client = client(config);
    client.set("group.id", group);
    client.set("group.protocol", "classic");
    client.set("partition.assignment.strategy", "cooperative-sticky");
    client.set("session.timeout.ms", ms(config.session_timeout));
    client.set("isolation.level", "read_committed");
    client.set("enable.auto.commit", "false");
    client.set("enable.auto.offset.store", "false");
    client.set("auto.offset.reset", "earliest");
    if let Some(instance) = instance {
        client.set("group.instance.id", instance);
    }
    client
}

/// What every producer has.
fn producer(config: &Config) -> ClientConfig {
    let mut client = client(config);
    client.set("enable.idempotence", "true");
    client.set("acks", "all");
    client.set("max.in.flight.requests.per.connection", "5");
    client.set("compression.type", "lz4");
    client.set("message.max.bytes", (PAYLOAD_BYTES_MAX + OVERHEAD_BYTES).to_string());
    client.set("queue.buffering.max.messages", config.queue_records_max.to_string());
    client.set("queue.buffering.max.kbytes", (config.queue_bytes_max / 1024).to_string());
    client
}

/// A producer whose records are reported one by one.
pub(super) fn reporting(config: &Config) -> ClientConfig {
    let mut client = producer(config);
    client.set("linger.ms", "5");
    client.set("message.timeout.ms", "120000");
    client
}

/// A producer of outputs that go together with cursors.
pub(super) fn transactional(config: &Config, id: &str) -> ClientConfig {
    let mut client = producer(config);
    client.set("transactional.id", id);
    client.set("transaction.timeout.ms", ms(config.transaction_timeout));
    client.set("message.timeout.ms", ms(config.transaction_timeout));
    client.set("linger.ms", "1");
    client
}

/// Administration and questions.
pub(super) fn administrative(config: &Config) -> ClientConfig {
    client(config)
}

/// What librdkafka says, in the process's log.
#[derive(Debug)]
pub(super) struct Voice;

impl ClientContext for Voice {
    fn log(&self, level: RDKafkaLogLevel, part: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => tracing::error!(part, "kafka: {text}"),
            RDKafkaLogLevel::Warning => tracing::warn!(part, "kafka: {text}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(part, "kafka: {text}")
            }
            RDKafkaLogLevel::Debug => tracing::debug!(part, "kafka: {text}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, "kafka: {reason}");
    }
}

impl ConsumerContext for Voice {}

impl ProducerContext for Voice {
    type DeliveryOpaque = ();

    /// An output that does not arrive breaks its transaction, whose commit says so.
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// Whether the same can succeed later without anybody changing anything.
fn heals(code: Option<RDKafkaErrorCode>) -> bool {
    use RDKafkaErrorCode as Code;
    !matches!(
        code,
        Some(
            Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::ClusterAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::TopicAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::UnsupportedVersion
                | Code::UnsupportedFeature
                | Code::UnsupportedSASLMechanism
                | Code::InvalidTransactionTimeout
                | Code::FencedInstanceId
                | Code::InvalidRecord
                | Code::MessageSizeTooLarge
        )
    )
}

/// Kafka's own number of an error.
pub(super) fn code(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    if let KafkaError::Transaction(error) = error {
        return Some(error.code());
    }
    error.rdkafka_error_code()
}

/// The error of the log for one of Kafka.
pub(super) fn failed(what: &'static str) -> impl Fn(KafkaError) -> Error {
    move |source| {
        let configured =
            matches!(source, KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_));
        Error::Kafka { what, retry: !configured && heals(code(&source)), source: Box::new(source) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, consumer, reporting, transactional};

    #[test]
    fn what_takes_effect_is_what_nothing_is_lost_or_doubled_with() {
        let client = [
            ("acks", "1"),
            ("enable.idempotence", "false"),
            ("enable.auto.commit", "true"),
            ("isolation.level", "read_uncommitted"),
        ];
        let client = client.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let config = Config { brokers: vec!["k:1".to_owned()], client, ..Config::default() };
        let producers = [reporting(&config), transactional(&config, "t")];
        for producer in producers {
            let effective = producer.create_native_config().unwrap();
            for (key, value) in [
                ("acks", "-1"),
                ("enable.idempotence", "true"),
                ("max.in.flight.requests.per.connection", "5"),
                ("queue.buffering.max.messages", "100000"),
                ("queue.buffering.max.kbytes", "65536"),
                ("compression.codec", "lz4"),
            ] {
                assert_eq!(effective.get(key).unwrap(), value, "{key}");
            }
        }
        let effective = consumer(&config, "g", Some("i")).create_native_config().unwrap();
        for (key, value) in [
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("isolation.level", "read_committed"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("group.instance.id", "i"),
        ] {
            assert_eq!(effective.get(key).unwrap(), value, "{key}");
        }
    }
}
