//! The edge's journal on the embedded log: one appender for each topic that the edge writes.

use edge::{Durable, Journal, NotDurable};
use event::Topic;
use eventlog::{Appender, Class, Header, Log, Record, Refused};

/// Appenders of the topics that the edge writes.
#[derive(Clone, Debug)]
pub(crate) struct LogJournal {
    touches: Appender,
    conversions: Appender,
    rejected: Appender,
    node: Appender,
}

impl LogJournal {
    /// Starts the writers of the edge's topics.
    pub(crate) fn open(log: &Log) -> Result<Self, eventlog::Error> {
        Ok(Self {
            touches: log.appender(Topic::Touches)?,
            conversions: log.appender(Topic::Conversions)?,
            rejected: log.appender(Topic::Rejected)?,
            node: log.appender(Topic::Node)?,
        })
    }

    fn appender(&self, topic: Topic) -> Result<&Appender, Refused> {
        match topic {
            Topic::Touches => Ok(&self.touches),
            Topic::Conversions => Ok(&self.conversions),
            Topic::Rejected => Ok(&self.rejected),
            Topic::Node => Ok(&self.node),
            // The edge owns no other topic.
            Topic::Unique | Topic::Duplicate | Topic::Attributed | Topic::Catalog => {
                Err(Refused::Closed(topic))
            }
        }
    }
}

impl Journal for LogJournal {
    fn enqueue(
        &self,
        topic: Topic,
        class: Class,
        header: Header,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), Refused> {
        self.appender(topic)?.enqueue_with(class, header, write)
    }

    fn durable(&self, topic: Topic, class: Class, records: Vec<Record>) -> Durable {
        let taken =
            self.appender(topic).and_then(|appender| appender.append_durable(class, &records));
        Box::pin(
            async move { taken.map_err(NotDurable::Refused)?.await.map_err(NotDurable::Commit) },
        )
    }
}
