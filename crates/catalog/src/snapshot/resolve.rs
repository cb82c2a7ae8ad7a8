//! Which terms hold for a touch and for an order, and the level that each value came from.

use event::{Millis, SegmentName};
use serde::{Deserialize, Serialize};

use super::{Member, ProgramRef};
use crate::partner::{EndMode, PartnerState};
use crate::terms::{LevelTerms, Lookback, ProgramTerms, TermsRef, TermsVersion, Treatment};

/// Where a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The partner's own terms.
    Partner,
    /// The terms of the partner's segment.
    Segment,
    /// The program's terms.
    Program,
    /// The built-in defaults: the program had no version in force.
    Default,
}

/// A value, the level it was found at, and the terms version that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved<'a, T> {
    /// The value.
    pub value: T,
    /// Where it was found.
    pub level: Level,
    /// The version that holds it.
    pub terms: &'a TermsRef,
}

/// What was promised at a touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TouchTerms<'a> {
    /// Lookback window of clicks.
    pub lookback_click: Resolved<'a, Lookback>,
    /// Lookback window of impressions.
    pub lookback_impression: Resolved<'a, Lookback>,
    /// Shortest time from click to order, in milliseconds.
    pub min_click_to_conversion_ms: Resolved<'a, i64>,
    /// The partner's segment at that time.
    pub segment: Option<&'a SegmentName>,
}

/// Whether the touches of a partner may count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// They may.
    Active,
    /// The partner was not approved in the program at the touch's time.
    NotApproved,
    /// The partner's part ended after the touch and not after the order, by freeze or forfeit.
    Ended {
        /// When.
        at: Millis,
        /// How.
        mode: EndMode,
    },
}

/// What the order's channel says about the touches of a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelTreatment<'a> {
    /// The treatment.
    pub treatment: Treatment,
    /// Where the channel is mapped; none: no level maps it (or the order names no channel), so every touch counts.
    pub mapped: Option<(Level, &'a TermsRef)>,
}

fn in_force<T>(versions: &[TermsVersion<T>], t: Millis) -> Option<&TermsVersion<T>> {
    let started = |version: &TermsVersion<T>| version.valid_from.is_none_or(|from| from <= t);
    let last = versions.partition_point(started).checked_sub(1)?;
    versions.get(last).filter(|version| version.valid_to.is_none_or(|to| t < to))
}

impl<'a> ProgramRef<'a> {
    /// The program's terms in force at `t`: `valid_from ≤ t < valid_to`. While it has none, the built-in defaults
    /// under the name `…/terms/0`.
    #[must_use]
    pub fn terms_at(&self, t: Millis) -> &'a TermsVersion<ProgramTerms> {
        in_force(&self.entry.terms, t).unwrap_or(&self.entry.defaults)
    }

    fn program_level(&self, t: Millis) -> (Level, &'a TermsVersion<ProgramTerms>) {
        in_force(&self.entry.terms, t)
            .map_or((Level::Default, &self.entry.defaults), |version| (Level::Program, version))
    }

    pub(super) fn levels(&self, member: Option<&'a Member>, t: Millis) -> Levels<'a> {
        let segment = member
            .and_then(|member| member.partner.programs.get(self.entry.name.as_str()))
            .and_then(|membership| membership.segment.at(t));
        Levels {
            partner: member.and_then(|member| in_force(&member.terms, t)),
            segment: segment
                .and_then(|name| self.entry.segments.get(name))
                .and_then(|versions| in_force(versions, t)),
            segment_name: segment,
            program: self.program_level(t),
        }
    }

    pub(super) fn member(&self, partner: Option<&str>) -> Option<&'a Member> {
        self.entry.members.get(partner?)
    }

    /// What was promised at a touch of `partner` (none: an own channel) at `t`: the partner's own value, else its
    /// segment's at that time, else the program's.
    #[must_use]
    pub fn touch_terms(&self, partner: Option<&str>, t: Millis) -> TouchTerms<'a> {
        let levels = self.levels(self.member(partner), t);
        TouchTerms {
            lookback_click: levels.find(|l| l.lookback_click, |p| p.lookback_click),
            lookback_impression: levels.find(|l| l.lookback_impression, |p| p.lookback_impression),
            min_click_to_conversion_ms: levels
                .find(|l| l.min_click_to_conversion_ms, |p| p.min_click_to_conversion_ms),
            segment: levels.segment_name,
        }
    }

    /// Whether a touch of `partner` at `touch_at` may count for an order at `t_conv`.
    #[must_use]
    pub fn standing(&self, partner: &str, touch_at: Millis, t_conv: Millis) -> Standing {
        let Some(membership) = self.membership(partner) else { return Standing::NotApproved };
        if !matches!(membership.state.at(touch_at), Some(PartnerState::Approved)) {
            return Standing::NotApproved;
        }
        for version in membership.state.versions() {
            let (PartnerState::Ended(end), Some(at)) = (&version.value, version.valid_from) else {
                continue;
            };
            let bars = match end.mode {
                EndMode::Freeze | EndMode::Forfeit => true,
                EndMode::RunOff => false,
            };
            if bars && touch_at < at && at <= t_conv {
                return Standing::Ended { at, mode: end.mode };
            }
        }
        Standing::Active
    }

    /// What the value of `conversion.channel` says, at `t_conv`, about touches of `partner`: the partner's own map,
    /// else its segment's, else the program's. Values compare trimmed and without regard to case.
    #[must_use]
    pub fn channel_treatment(
        &self,
        partner: Option<&str>,
        channel: Option<&str>,
        t_conv: Millis,
    ) -> ChannelTreatment<'a> {
        let any = ChannelTreatment { treatment: Treatment::Any, mapped: None };
        let Some(channel) = channel.map(channel_key).filter(|channel| !channel.is_empty()) else {
            return any;
        };
        let levels = self.levels(self.member(partner), t_conv);
        let found = levels.find_optional(
            |level| level.channel_map.get(&*channel).copied(),
            |program| program.channel_map.get(&*channel).copied(),
        );
        found.map_or(any, |found| ChannelTreatment {
            treatment: found.value,
            mapped: Some((found.level, found.terms)),
        })
    }
}

/// A value of `conversion.channel` as channel maps hold it: trimmed, in lower case.
#[must_use]
pub(crate) fn channel_key(value: &str) -> Box<str> {
    value.trim().to_lowercase().into()
}

pub(super) struct Levels<'a> {
    pub(super) partner: Option<&'a TermsVersion<LevelTerms>>,
    pub(super) segment: Option<&'a TermsVersion<LevelTerms>>,
    pub(super) segment_name: Option<&'a SegmentName>,
    pub(super) program: (Level, &'a TermsVersion<ProgramTerms>),
}

impl<'a> Levels<'a> {
    fn above<T>(&self, pick: impl Fn(&LevelTerms) -> Option<T>) -> Option<Resolved<'a, T>> {
        [(Level::Partner, self.partner), (Level::Segment, self.segment)].into_iter().find_map(
            |(level, version)| {
                let version = version?;
                pick(&version.terms).map(|value| Resolved {
                    value,
                    level,
                    terms: &version.reference,
                })
            },
        )
    }

    pub(super) fn find<T>(
        &self,
        pick: impl Fn(&LevelTerms) -> Option<T>,
        last: impl Fn(&ProgramTerms) -> T,
    ) -> Resolved<'a, T> {
        self.above(pick).unwrap_or_else(|| {
            let (level, version) = self.program;
            Resolved { value: last(&version.terms), level, terms: &version.reference }
        })
    }

    fn find_optional<T>(
        &self,
        pick: impl Fn(&LevelTerms) -> Option<T>,
        last: impl Fn(&ProgramTerms) -> Option<T>,
    ) -> Option<Resolved<'a, T>> {
        self.above(pick).or_else(|| {
            let (level, version) = self.program;
            last(&version.terms).map(|value| Resolved { value, level, terms: &version.reference })
        })
    }
}
