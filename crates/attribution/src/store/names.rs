//! Names in state are numbers; here they are names again.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use event::{ChannelName, LinkName, PartnerName};
use foldhash::fast::RandomState;

use super::StoreError;

/// Every name that state holds a number for. Numbers begin at 1 and mean nothing outside of this state.
#[derive(Debug, Default)]
pub(crate) struct Names(RwLock<Inner>);

#[derive(Debug, Default)]
pub(crate) struct Inner {
    numbers: HashMap<Arc<str>, u32, RandomState>,
    names: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    text: Arc<str>,
    partner: OnceLock<PartnerName>,
    link: OnceLock<LinkName>,
    channel: OnceLock<ChannelName>,
}

const NAME: &str = "read a name of the state";

impl Names {
    /// The number of a name that is known.
    pub(crate) fn number(&self, text: &str) -> Option<u32> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).numbers.get(text).copied()
    }

    /// The number of a name, and whether it is new: then it must be written with what uses it.
    pub(crate) fn number_or_new(&self, text: &str) -> (u32, bool) {
        if let Some(number) = self.number(text) {
            return (number, false);
        }
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = inner.numbers.get(text) {
            return (*number, false);
        }
        (inner.push(text), true)
    }

    /// Puts back a name that was written; they come in the order of their numbers.
    pub(crate) fn restore(&self, number: u32, text: &str) -> Result<(), StoreError> {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if inner.push(text) == number { Ok(()) } else { Err(StoreError::damaged(NAME)) }
    }

    /// The names behind numbers. Nobody adds a name meanwhile.
    pub(crate) fn known(&self) -> Known<'_> {
        Known(self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Names as they are at the moment.
#[derive(Debug)]
pub(crate) struct Known<'a>(RwLockReadGuard<'a, Inner>);

impl Known<'_> {
    fn with<T>(
        &self,
        number: u32,
        read: impl FnOnce(&Entry) -> Option<T>,
    ) -> Result<T, StoreError> {
        let place = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        let entry = place.and_then(|place| self.0.names.get(place));
        entry.and_then(read).ok_or_else(|| StoreError::damaged(NAME))
    }

    pub(crate) fn partner(&self, number: u32) -> Result<Option<PartnerName>, StoreError> {
        if number == 0 {
            return Ok(None);
        }
        self.with(number, |e| typed(&e.partner, || PartnerName::new(&e.text).ok())).map(Some)
    }

    pub(crate) fn link(&self, number: u32) -> Result<LinkName, StoreError> {
        self.with(number, |e| typed(&e.link, || LinkName::new(&e.text).ok()))
    }

    pub(crate) fn channel(&self, number: u32) -> Result<Option<ChannelName>, StoreError> {
        if number == 0 {
            return Ok(None);
        }
        self.with(number, |e| typed(&e.channel, || ChannelName::new(&e.text).ok())).map(Some)
    }
}

fn typed<T: Clone>(cell: &OnceLock<T>, make: impl FnOnce() -> Option<T>) -> Option<T> {
    if let Some(name) = cell.get() {
        return Some(name.clone());
    }
    let name = make()?;
    Some(cell.get_or_init(|| name).clone())
}

impl Inner {
    fn push(&mut self, text: &str) -> u32 {
        let text: Arc<str> = text.into();
        self.names.push(Entry {
            text: text.clone(),
            partner: OnceLock::new(),
            link: OnceLock::new(),
            channel: OnceLock::new(),
        });
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(text, number);
        number
    }
}
