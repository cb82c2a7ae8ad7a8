//! The topics on the cluster: what they must be, making them, and checking that they still are.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use event::Topic;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{self, Voice, failed};
use super::wire::OVERHEAD_BYTES;
use crate::config::Config;
use crate::error::Error;
use crate::record::PAYLOAD_BYTES_MAX;

/// What a topic must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The topic.
    pub topic: Topic,
    /// Its name on the cluster.
    pub name: String,
    /// How many partitions it has.
    pub partitions: NonZeroU32,
    /// Copies of each.
    pub replication: NonZeroU32,
    /// Its settings, by Kafka's names.
    pub settings: Vec<(&'static str, String)>,
}

/// What all topics must be, by the configuration.
#[must_use]
pub fn plans(config: &Config) -> Vec<Plan> {
    Topic::ALL.into_iter().map(|topic| plan(config, topic)).collect()
}

fn plan(config: &Config, topic: Topic) -> Plan {
    let kafka = &config.kafka;
    let keep = config.keep(topic).map_or("-1".to_owned(), |keep| keep.as_millis().to_string());
    let policy = match topic {
        // Each record says all of its order's state: the last one of a key is enough.
        Topic::Unique | Topic::Attributed => "compact",
        Topic::Touches
        | Topic::Conversions
        | Topic::Rejected
        | Topic::Duplicate
        | Topic::Closed
        | Topic::Transfers
        | Topic::Catalog
        | Topic::Node => "delete",
    };
    let partitions = match topic {
        // Read whole by every node, in one order.
        Topic::Catalog | Topic::Node => NonZeroU32::MIN,
        Topic::Touches
        | Topic::Conversions
        | Topic::Rejected
        | Topic::Unique
        | Topic::Duplicate
        | Topic::Attributed
        | Topic::Closed
        | Topic::Transfers => kafka.partitions,
    };
    Plan {
        topic,
        name: format!("{}{}", kafka.prefix, topic.name()),
        partitions,
        replication: kafka.replication,
        settings: vec![
            ("cleanup.policy", policy.to_owned()),
            ("retention.ms", keep),
            ("retention.bytes", "-1".to_owned()),
            ("min.insync.replicas", kafka.min_insync_replicas.to_string()),
            ("max.message.bytes", (PAYLOAD_BYTES_MAX + OVERHEAD_BYTES).to_string()),
            // A broker refuses records of a clock that is an hour ahead, and would delete those of one that is far behind.
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("unclean.leader.election.enable", "false".to_owned()),
        ],
    }
}

/// What became of a topic that was to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is new.
    New,
    /// It was there; whether it is as it must be, [`check`] says.
    Old,
}

/// Makes the topics that are not there.
///
/// # Errors
/// The cluster refuses one, or does not answer.
pub fn create(config: &Config, plans: &[Plan]) -> Result<Vec<(Topic, Made)>, Error> {
    let failed = failed("make topics");
    let admin: AdminClient<Voice> =
        client::administrative(&config.kafka).create_with_context(Voice).map_err(&failed)?;
    let count = |n: NonZeroU32| i32::try_from(n.get()).unwrap_or(i32::MAX);
    let topic = |plan| {
        let Plan { name, partitions, replication, settings, .. }: &Plan = plan;
        let replication = TopicReplication::Fixed(count(*replication));
        let new = NewTopic::new(name, count(*partitions), replication);
        settings.iter().fold(new, |new, (key, value)| new.set(key, value))
    };
    let topics: Vec<NewTopic<'_>> = plans.iter().map(topic).collect();
    let made = finish(admin.create_topics(&topics, &options(config))).map_err(&failed)?;
    let mut result = Vec::new();
    for (plan, made) in plans.iter().zip(made) {
        result.push(match made {
            Ok(_) => (plan.topic, Made::New),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => (plan.topic, Made::Old),
            Err((_, code)) => return Err(failed(KafkaError::AdminOp(code))),
        });
    }
    Ok(result)
}

/// Every way in which the topics are not as they must be, in words. Empty: all is well.
///
/// # Errors
/// The cluster does not answer.
pub fn check(config: &Config, plans: &[Plan]) -> Result<Vec<String>, Error> {
    let failed = failed("check topics");
    let admin: AdminClient<Voice> =
        client::administrative(&config.kafka).create_with_context(Voice).map_err(&failed)?;
    let mut findings = Vec::new();
    let mut there = Vec::new();
    let metadata = admin.inner().fetch_metadata(None, config.kafka.request_timeout);
    let metadata = metadata.map_err(&failed)?;
    for plan in plans {
        let name = &plan.name;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == name) else {
            findings.push(format!("{name}: is not there"));
            continue;
        };
        let mut differs = |what: &str, is: usize, must: NonZeroU32| {
            if u32::try_from(is) != Ok(must.get()) {
                findings.push(format!("{name}: {what} {is}, must be {must}"));
            }
        };
        differs("partitions", found.partitions().len(), plan.partitions);
        let copies = found.partitions().iter().map(|partition| partition.replicas().len());
        differs("replication", copies.min().unwrap_or(0), plan.replication);
        there.push(plan);
    }
    let names = there.iter().map(|plan| ResourceSpecifier::Topic(&plan.name));
    let names: Vec<ResourceSpecifier<'_>> = names.collect();
    if names.is_empty() {
        return Ok(findings);
    }
    let described = finish(admin.describe_configs(&names, &options(config))).map_err(&failed)?;
    for (plan, described) in there.into_iter().zip(described) {
        let described = described.map_err(|code| failed(KafkaError::AdminOp(code)))?;
        findings.extend(differences(plan, &described));
    }
    Ok(findings)
}

fn differences(plan: &Plan, described: &ConfigResource) -> Vec<String> {
    let mut findings = Vec::new();
    for (key, must) in &plan.settings {
        let is = described.get(key).and_then(|entry| entry.value.as_deref());
        if is != Some(must) {
            let is = is.unwrap_or("not known");
            findings.push(format!("{}: {key} {is}, must be {must}", plan.name));
        }
    }
    findings
}

fn options(config: &Config) -> AdminOptions {
    let timeout = Some(config.kafka.request_timeout);
    AdminOptions::new().request_timeout(timeout).operation_timeout(timeout)
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for an answer of the cluster. librdkafka's own thread ends it, at the latest when its time is over.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
        std::thread::park_timeout(Duration::from_secs(1));
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use event::Topic;

    use super::{Config, plan, plans};

    #[test]
    fn each_topic_is_kept_and_cleaned_as_its_table_says() {
        let config = Config::default();
        let days = |days: u64| (days * 86_400_000).to_string();
        for (topic, policy, keep) in [
            (Topic::Touches, "delete", days(135)),
            (Topic::Conversions, "delete", "-1".to_owned()),
            (Topic::Rejected, "delete", days(30)),
            (Topic::Unique, "compact", "-1".to_owned()),
            (Topic::Duplicate, "delete", days(90)),
            (Topic::Attributed, "compact", "-1".to_owned()),
            (Topic::Closed, "delete", "-1".to_owned()),
            (Topic::Transfers, "delete", "-1".to_owned()),
            (Topic::Catalog, "delete", "-1".to_owned()),
            (Topic::Node, "delete", "-1".to_owned()),
        ] {
            let settings = plan(&config, topic).settings;
            assert!(settings.contains(&("cleanup.policy", policy.to_owned())), "{topic}");
            assert!(settings.contains(&("retention.ms", keep)), "{topic}: {settings:?}");
        }
    }

    #[test]
    fn everything_about_an_order_has_as_many_partitions() {
        for plan in plans(&Config::default()) {
            let one = matches!(plan.topic, Topic::Catalog | Topic::Node);
            assert_eq!(plan.partitions == NonZeroU32::MIN, one, "{}", plan.name);
        }
    }
}
