//! `sillage topics`: the topics of the event log on Kafka, made and checked.

use std::process::ExitCode;

use crate::cli::TopicsArguments;
use crate::config::{self, Faults};

/// Makes the topics, or names what differs.
pub(crate) fn run(arguments: &TopicsArguments) -> anyhow::Result<ExitCode> {
    let config = config::from_environment(&arguments.config.config)?;
    if !config.eventlog.kafka.is_set() {
        let text = "eventlog.kafka.brokers is missing: give some as host:port";
        return Err(Faults::one(text.to_owned()).into());
    }
    telemetry::log::init(&config.log)?;
    act(arguments.what, &config.eventlog)
}

#[cfg(feature = "kafka")]
fn act(what: crate::cli::TopicsAction, config: &eventlog::Config) -> anyhow::Result<ExitCode> {
    use eventlog::kafka::topics::{Made, check, create, plans};

    let plans = plans(config);
    if what == crate::cli::TopicsAction::Create {
        for (plan, (_, made)) in plans.iter().zip(create(config, &plans)?) {
            let made = match made {
                Made::New => "made",
                Made::Old => "is there",
            };
            println!("{}: {made}", plan.name);
        }
    }
    let findings = check(config, &plans)?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("{} topics are as they must be", plans.len());
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// Never comes to this: the configuration was refused by name.
#[cfg(not(feature = "kafka"))]
fn act(_: crate::cli::TopicsAction, _: &eventlog::Config) -> anyhow::Result<ExitCode> {
    Err(Faults::one("this binary was built without Kafka".to_owned()).into())
}
