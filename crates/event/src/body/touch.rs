//! Touches and what is said about them later: landing, activation, invalid traffic, merge.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::body::conversion::ClaimedTouch;
use crate::consent::Consent;
use crate::flag::Flag;
use crate::id::EventId;
use crate::identity::IdentityId;
use crate::name::{ChannelName, LinkName, PartnerName};
use crate::private::Sealed;

/// Click or impression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TouchKind {
    /// A click.
    Click,
    /// An impression.
    Impression,
}

/// Class of the device, from the user agent.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DeviceClass {
    /// Computer.
    Desktop,
    /// Phone.
    Mobile,
    /// Tablet.
    Tablet,
    /// Television or console.
    Tv,
    /// Automated agent.
    Bot,
    /// Not known.
    #[default]
    Unknown,
}

/// Sub ids `s1` … `s10`: number and text, ascending, each number once.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SubIds(Vec<(u8, Box<str>)>);

/// Most sub ids.
pub const SUB_IDS_MAX: u8 = 10;

impl SubIds {
    /// Sets sub id `number` (1 to 10). A number outside the range is ignored; a second text for a number replaces the
    /// first.
    pub fn set(&mut self, number: u8, text: &str) {
        if !(1..=SUB_IDS_MAX).contains(&number) {
            return;
        }
        match self.0.binary_search_by_key(&number, |(n, _)| *n) {
            Ok(at) => {
                if let Some(slot) = self.0.get_mut(at) {
                    slot.1 = text.into();
                }
            }
            Err(at) => self.0.insert(at, (number, text.into())),
        }
    }

    /// The text of sub id `number`.
    #[must_use]
    pub fn get(&self, number: u8) -> Option<&str> {
        self.0.iter().find(|(n, _)| *n == number).map(|(_, text)| &**text)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Numbers and texts, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &str)> {
        self.0.iter().map(|(n, text)| (*n, &**text))
    }
}

const SUB_NAMES: [&str; 10] = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10"];

impl Serialize for SubIds {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (number, text) in self.iter() {
            let name = SUB_NAMES.get(usize::from(number).wrapping_sub(1)).unwrap_or(&"s1");
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for SubIds {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Subs;
        impl<'de> Visitor<'de> for Subs {
            type Value = SubIds;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of s1 to s10")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SubIds, A::Error> {
                let mut subs = SubIds::default();
                while let Some((name, text)) =
                    map.next_entry::<std::borrow::Cow<'de, str>, std::borrow::Cow<'de, str>>()?
                {
                    let at = SUB_NAMES.iter().position(|known| *known == name);
                    let at = at.ok_or_else(|| serde::de::Error::custom("sub ids are s1 to s10"))?;
                    subs.set(u8::try_from(at + 1).unwrap_or(0), &text);
                }
                Ok(subs)
            }
        }
        d.deserialize_map(Subs)
    }
}

/// A click or impression; which of the two is the event's type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// The partner; absent: the merchant's own channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<PartnerName>,
    /// The link.
    pub link: LinkName,
    /// The link's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// Ids that the visitor is known by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<IdentityId>,
    /// What is odd about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// Consent at the touch.
    #[serde(default)]
    pub consent: Consent,
    /// Sub ids.
    #[serde(default, skip_serializing_if = "SubIds::is_empty")]
    pub subs: SubIds,
    /// The partner's own click id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcid: Option<String>,
    /// The creative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creative: Option<String>,
    /// Host of the deep link that was followed, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deep_link_host: Option<String>,
    /// ISO 3166-1 alpha-2 country of the address, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Class of the device.
    #[serde(default)]
    pub device: DeviceClass,
    /// Browser family, from a closed list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// Operating system, from a closed list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Host of the referrer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer_host: Option<String>,
    /// Keyed hash of the address, 64 bits in base64url, under the key of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_hash: Option<String>,
    /// `gdpr` as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gdpr: Option<String>,
    /// TC string as sent, opaque evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gdpr_consent: Option<String>,
    /// Sealed private block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Sealed>,
    /// Claimed time of an imported touch, as sent, in milliseconds; `occurred_at` is the claim clamped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<i64>,
}

impl Touch {
    /// A touch of this partner on this link, with nothing else known.
    #[must_use]
    pub fn plain(partner: Option<PartnerName>, link: LinkName) -> Self {
        Self {
            partner,
            link,
            channel: None,
            ids: Vec::new(),
            flags: Vec::new(),
            consent: Consent::Unknown,
            subs: SubIds::default(),
            pcid: None,
            creative: None,
            deep_link_host: None,
            country: None,
            device: DeviceClass::Unknown,
            browser: None,
            os: None,
            referrer_host: None,
            address_hash: None,
            gdpr: None,
            gdpr_consent: None,
            private: None,
            claimed_at: None,
        }
    }
}

/// Which page a landing report came from.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PageKind {
    /// First page of the visit.
    #[default]
    Entry,
    /// A later page.
    Later,
    /// The checkout.
    Checkout,
}

/// Landing report of a click: where the visit began, and a consent given later. The edge takes it only with a valid
/// click id, so it carries the click's own claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landing {
    /// The click, from its id.
    pub click: ClaimedTouch,
    /// Ids of the visitor at the landing: with a consent granted here, the click becomes reachable by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<IdentityId>,
    /// Consent that the visitor chose on the landing page; replaces the click's own from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// Kind of page.
    #[serde(default)]
    pub page: PageKind,
    /// When the visit began, by the browser, milliseconds UTC; evidence only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_at: Option<i64>,
    /// Origin of the entry's referrer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer_origin: Option<String>,
}

/// A page that was fetched or rendered ahead was really shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    /// The click, from its id.
    pub click: ClaimedTouch,
}

/// A later judgement: this touch was not made by a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvalidTraffic {
    /// The touch.
    pub touch: EventId,
    /// Ids of the touch, so that the judgement reaches the orders of that visitor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<IdentityId>,
    /// Why, in a word of the one who judged.
    pub reason: String,
}

/// Two ids seen to belong to one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// One id.
    pub a: IdentityId,
    /// The other.
    pub b: IdentityId,
}
