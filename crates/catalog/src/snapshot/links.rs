//! The table of links: one row, one run of text and two slots of an index for each, so that a million fit.

use event::{ChannelName, Flag, LinkId, Millis};
use foldhash::fast::RandomState;
use std::hash::BuildHasher;

use super::{Map, PartnerRef, ProgramRef, Snapshot, dangling, taken};
use crate::error::Error;
use crate::link::{Link, LinkState};
use crate::partner::PartnerState;
use crate::program::ProgramState;
use crate::record::{Kind, State};
use crate::timeline::Timeline;

const NO_PARTNER: u32 = u32::MAX;
const EXEMPT: u8 = 1;
const RETIRED: u8 = 2;
const DATED: u8 = 4;

/// One link. Its text is name, destination, fallback and creative, one after the other.
#[derive(Debug)]
struct Row {
    text: usize,
    number: u32,
    program: u32,
    partner: u32,
    channel: u32,
    destination_bytes: u16,
    fallback_bytes: u16,
    name_bytes: u8,
    creative_bytes: u8,
    bits: u8,
}

/// When a link leads to its destination; kept apart, since most links always do.
#[derive(Debug)]
struct Dates {
    state: Timeline<LinkState>,
    expires: Option<Millis>,
}

#[derive(Debug, Default)]
pub(super) struct LinkTable {
    /// By number.
    rows: Vec<Row>,
    text: String,
    channels: Vec<ChannelName>,
    dates: Map<u32, Dates>,
    /// Open addressing: row + 1, or 0. At most half full; the length is a power of two.
    slots: Vec<u32>,
    hasher: RandomState,
    names: usize,
}

/// Why a link does not lead to its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unavailable {
    /// Its program is paused or deleted.
    ProgramPaused,
    /// Its partner is not, not yet or no longer approved in the program.
    PartnerEnded,
    /// It is disabled, not yet live, or deleted.
    Disabled,
    /// It is expired.
    Expired,
}

impl Unavailable {
    /// The flag that the click gets.
    #[must_use]
    pub const fn flag(self) -> Flag {
        match self {
            Self::ProgramPaused => Flag::ProgramPaused,
            Self::PartnerEnded => Flag::PartnerEnded,
            Self::Disabled => Flag::LinkDisabled,
            Self::Expired => Flag::LinkExpired,
        }
    }
}

impl LinkTable {
    pub(super) fn build(state: &State, snapshot: &Snapshot) -> Result<Self, Error> {
        let text_bytes = state
            .links
            .iter()
            .map(|(name, link)| {
                let Link { destination, fallback, creative, .. } = &*link.body;
                let optional = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
                name.as_str().len() + destination.len() + optional(fallback) + optional(creative)
            })
            .sum();
        let mut table = Self {
            rows: Vec::with_capacity(state.links.len()),
            text: String::with_capacity(text_bytes),
            ..Self::default()
        };
        let mut by_number: Vec<_> = state.links.iter().collect();
        by_number.sort_unstable_by_key(|(_, link)| link.number);
        let mut channels: Map<ChannelName, u32> = Map::default();
        for (name, link) in by_number {
            if table.rows.last().is_some_and(|row| row.number == link.number) {
                return Err(taken(Kind::Link, name.as_str(), link.number));
            }
            let number = link.number;
            table.add(name.as_str(), number, link.retired, &link.body, snapshot, &mut channels)?;
        }
        table.index();
        Ok(table)
    }

    #[expect(clippy::too_many_arguments, reason = "one call, and each is another fact of the row")]
    fn add(
        &mut self,
        name: &str,
        number: u32,
        retired: bool,
        link: &Link,
        snapshot: &Snapshot,
        channels: &mut Map<ChannelName, u32>,
    ) -> Result<(), Error> {
        let missing = |kind, other| dangling(&format!("link/{name}"), kind, other);
        let place = |index: usize| u32::try_from(index).unwrap_or(NO_PARTNER);
        let program = *snapshot
            .program_names
            .get(&link.program)
            .ok_or_else(|| missing("program", link.program.as_str()))?;
        let partner = match &link.partner {
            None => NO_PARTNER,
            Some(partner) => place(
                *snapshot
                    .partner_names
                    .get(partner)
                    .ok_or_else(|| missing("partner", partner.as_str()))?,
            ),
        };
        let channel = *channels.entry(link.channel.clone()).or_insert_with(|| {
            self.channels.push(link.channel.clone());
            place(self.channels.len() - 1)
        });
        let text = self.text.len();
        let fallback = link.fallback.as_deref().unwrap_or_default();
        let creative = link.creative.as_deref().unwrap_or_default();
        for part in [name, &link.destination, fallback, creative] {
            self.text.push_str(part);
        }
        let dated = !link.state.is_empty() || link.expires.is_some();
        if dated {
            self.dates.insert(number, Dates { state: link.state.clone(), expires: link.expires });
        }
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        // The importer's limits (`limits::URL_BYTES_MAX` and others) are far below what these lengths hold.
        self.rows.push(Row {
            text,
            number,
            program: place(program),
            partner,
            channel,
            destination_bytes: u16::try_from(link.destination.len()).unwrap_or(u16::MAX),
            fallback_bytes: u16::try_from(fallback.len()).unwrap_or(u16::MAX),
            name_bytes: u8::try_from(name.len()).unwrap_or(u8::MAX),
            creative_bytes: u8::try_from(creative.len()).unwrap_or(u8::MAX),
            bits: bit(link.exempt, EXEMPT) | bit(retired, RETIRED) | bit(dated, DATED),
        });
        Ok(())
    }

    fn index(&mut self) {
        let live = || self.rows.iter().enumerate().filter(|(_, row)| row.bits & RETIRED == 0);
        self.names = live().count();
        let mut slots = vec![0; (self.names * 2).next_power_of_two().max(2)];
        let mask = slots.len() - 1;
        for (at, row) in live() {
            let Some(name) = self.text.get(row.text..row.text + usize::from(row.name_bytes)) else {
                continue;
            };
            let mut slot = self.first_slot(name, mask);
            while slots.get(slot).is_some_and(|taken| *taken != 0) {
                slot = (slot + 1) & mask;
            }
            if let Some(free) = slots.get_mut(slot) {
                *free = u32::try_from(at + 1).unwrap_or(0);
            }
        }
        self.slots = slots;
    }

    fn first_slot(&self, name: &str, mask: usize) -> usize {
        usize::try_from(self.hasher.hash_one(name) & mask as u64).unwrap_or(0)
    }

    pub(super) fn by_name(&self, name: &str) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = self.first_slot(name, mask);
        loop {
            let row = usize::try_from(*self.slots.get(slot)?).ok()?.checked_sub(1)?;
            if self.text_of::<NAME>(self.rows.get(row)?) == name {
                return Some(row);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Numbers are given without gaps, so the row is nearly always where the number says.
    pub(super) fn by_number(&self, number: u32) -> Option<usize> {
        let guess = usize::try_from(number).ok()?.checked_sub(1)?;
        match self.rows.get(guess) {
            Some(row) if row.number == number => Some(guess),
            _ => self.rows.binary_search_by_key(&number, |row| row.number).ok(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) const fn found_by_name(&self) -> usize {
        self.names
    }

    pub(super) const fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>()
            + self.text.capacity()
            + self.slots.capacity() * size_of::<u32>()
    }

    /// Text number `N` of a row; its texts stand one after another.
    fn text_of<const N: usize>(&self, row: &Row) -> &str {
        let lengths = [
            usize::from(row.name_bytes),
            usize::from(row.destination_bytes),
            usize::from(row.fallback_bytes),
            usize::from(row.creative_bytes),
        ];
        let from = row.text + lengths.iter().take(N).sum::<usize>();
        let length = lengths.get(N).copied().unwrap_or_default();
        self.text.get(from..from + length).unwrap_or_default()
    }
}

/// The order of the texts of a row.
const NAME: usize = 0;
const DESTINATION: usize = 1;
const FALLBACK: usize = 2;
const CREATIVE: usize = 3;

/// A link in a snapshot.
#[derive(Clone, Copy)]
pub struct LinkRef<'a> {
    snapshot: &'a Snapshot,
    row: &'a Row,
}

/// Its name.
impl std::fmt::Debug for LinkRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "link {}", self.name())
    }
}

impl<'a> LinkRef<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, row: usize) -> Option<Self> {
        Some(Self { snapshot, row: snapshot.links.rows.get(row)? })
    }

    fn text_of<const N: usize>(&self) -> &'a str {
        self.snapshot.links.text_of::<N>(self.row)
    }

    /// Its number.
    #[must_use]
    pub const fn id(&self) -> LinkId {
        LinkId(self.row.number)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.text_of::<NAME>()
    }

    /// Its program.
    #[must_use]
    pub fn program(&self) -> ProgramRef<'a> {
        // The row was made with the index of a program of this very snapshot.
        ProgramRef { entry: self.at(&self.snapshot.programs, self.row.program) }
    }

    /// Its partner; none: one of the merchant's own channels.
    #[must_use]
    pub fn partner(&self) -> Option<PartnerRef<'a>> {
        (self.row.partner != NO_PARTNER)
            .then(|| PartnerRef { entry: self.at(&self.snapshot.partners, self.row.partner) })
    }

    /// Its channel.
    #[must_use]
    pub fn channel(&self) -> &'a ChannelName {
        self.at(&self.snapshot.links.channels, self.row.channel)
    }

    #[expect(clippy::indexing_slicing, reason = "rows hold indexes of this very snapshot")]
    fn at<T>(&self, list: &'a [T], index: u32) -> &'a T {
        &list[index as usize]
    }

    /// Where it leads: a URL that may hold macros ([`crate::destination`]).
    #[must_use]
    pub fn destination(&self) -> &'a str {
        self.text_of::<DESTINATION>()
    }

    /// Where it leads while it is not available: its own fallback, else the program's, else the home page.
    #[must_use]
    pub fn fallback(&self) -> &'a str {
        let own = self.text_of::<FALLBACK>();
        if !own.is_empty() {
            return own;
        }
        let program = self.program().body();
        program.fallback.as_deref().unwrap_or(&program.home)
    }

    /// Creative of clicks that name none.
    #[must_use]
    pub fn creative(&self) -> Option<&'a str> {
        Some(self.text_of::<CREATIVE>()).filter(|creative| !creative.is_empty())
    }

    /// Whether consent is not its basis: marked exempt, and of a partner whose kind allows it.
    #[must_use]
    pub const fn is_exempt(&self) -> bool {
        self.row.bits & EXEMPT != 0
    }

    /// Whether it was deleted.
    #[must_use]
    pub const fn is_retired(&self) -> bool {
        self.row.bits & RETIRED != 0
    }

    /// Why it does not lead to its destination at `at`; none: it does.
    #[must_use]
    pub fn unavailable(&self, at: Millis) -> Option<Unavailable> {
        let program = self.program();
        if program.is_retired() || program.body().state.at(at) == Some(&ProgramState::Paused) {
            return Some(Unavailable::ProgramPaused);
        }
        if let Some(partner) = self.partner() {
            let membership = program.membership(partner.name().as_str());
            let state = membership.and_then(|membership| membership.state.at(at));
            if partner.is_retired() || !matches!(state, Some(PartnerState::Approved)) {
                return Some(Unavailable::PartnerEnded);
            }
        }
        if self.is_retired() {
            return Some(Unavailable::Disabled);
        }
        if self.row.bits & DATED != 0 {
            let dates = self.snapshot.links.dates.get(&self.row.number)?;
            if !dates.state.is_empty() && dates.state.at(at) != Some(&LinkState::Live) {
                return Some(Unavailable::Disabled);
            }
            if dates.expires.is_some_and(|expires| expires <= at) {
                return Some(Unavailable::Expired);
            }
        }
        None
    }
}
