//! Class of device, family of browser and operating system, from an agent in lower case.

use event::body::DeviceClass;

use super::{has, has_any};

/// Family of a browser; a closed list, since it is a dimension of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Browser {
    /// Chrome and browsers that do not tell themselves apart from it.
    Chrome,
    /// Microsoft Edge.
    Edge,
    /// Firefox.
    Firefox,
    /// Safari.
    Safari,
    /// Opera.
    Opera,
    /// Samsung Internet.
    Samsung,
    /// Yandex Browser.
    Yandex,
    /// UC Browser.
    Uc,
    /// Internet Explorer.
    Ie,
    /// The browser inside an app.
    InApp,
    /// Any other.
    Other,
}

impl Browser {
    /// The word in events and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chrome => "chrome",
            Self::Edge => "edge",
            Self::Firefox => "firefox",
            Self::Safari => "safari",
            Self::Opera => "opera",
            Self::Samsung => "samsung",
            Self::Yandex => "yandex",
            Self::Uc => "uc",
            Self::Ie => "ie",
            Self::InApp => "in_app",
            Self::Other => "other",
        }
    }
}

/// Operating system; a closed list, since it is a dimension of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    /// Windows.
    Windows,
    /// macOS; an iPad in its default desktop mode says so too.
    Macos,
    /// iOS and iPadOS.
    Ios,
    /// Android.
    Android,
    /// ChromeOS.
    ChromeOs,
    /// Linux.
    Linux,
    /// Any other.
    Other,
}

impl Os {
    /// The word in events and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Macos => "macos",
            Self::Ios => "ios",
            Self::Android => "android",
            Self::ChromeOs => "chromeos",
            Self::Linux => "linux",
            Self::Other => "other",
        }
    }
}

/// Families by the part that only they send; the first that is found wins, since most also name Chrome and Safari.
const BROWSERS: [(&str, Browser); 32] = [
    ("[fban/", Browser::InApp),
    ("fbav/", Browser::InApp),
    ("instagram", Browser::InApp),
    ("tiktok", Browser::InApp),
    ("musical_ly", Browser::InApp),
    ("pinterest/", Browser::InApp),
    ("snapchat", Browser::InApp),
    ("micromessenger", Browser::InApp),
    ("line/", Browser::InApp),
    ("gsa/", Browser::InApp),
    ("edg/", Browser::Edge),
    ("edga/", Browser::Edge),
    ("edgios/", Browser::Edge),
    ("edge/", Browser::Edge),
    ("opr/", Browser::Opera),
    ("opera", Browser::Opera),
    ("opios/", Browser::Opera),
    ("opt/", Browser::Opera),
    ("samsungbrowser/", Browser::Samsung),
    ("yabrowser/", Browser::Yandex),
    ("yowser/", Browser::Yandex),
    ("ucbrowser/", Browser::Uc),
    ("ucweb", Browser::Uc),
    ("fxios/", Browser::Firefox),
    ("firefox/", Browser::Firefox),
    ("msie ", Browser::Ie),
    ("trident/", Browser::Ie),
    ("; wv)", Browser::InApp),
    ("crios/", Browser::Chrome),
    ("chrome/", Browser::Chrome),
    ("chromium/", Browser::Chrome),
    ("safari/", Browser::Safari),
];

/// Systems by their part, in the order in which they hide one another.
const SYSTEMS: [(&str, Os); 13] = [
    ("windows phone", Os::Other),
    ("windows", Os::Windows),
    ("iphone", Os::Ios),
    ("ipad", Os::Ios),
    ("ipod", Os::Ios),
    ("tizen", Os::Other),
    ("web0s", Os::Other),
    ("android", Os::Android),
    ("cros ", Os::ChromeOs),
    ("mac os x", Os::Macos),
    ("macintosh", Os::Macos),
    ("linux", Os::Linux),
    ("x11", Os::Linux),
];

const TV_PARTS: [&str; 28] = [
    "smart-tv",
    "smarttv",
    "smart tv",
    "hbbtv",
    "appletv",
    "apple tv",
    "googletv",
    "google tv",
    "android tv",
    "androidtv",
    "crkey",
    "roku",
    "bravia",
    "web0s",
    "netcast",
    "viera",
    "philipstv",
    "dtv",
    "tizen 2.",
    "linux/smart",
    "playstation",
    "xbox",
    "nintendo",
    " aft",
    "mibox",
    "mitv",
    "tv box",
    "ce-html",
];
const TABLET_PARTS: [&str; 7] = ["ipad", "tablet", "kindle", "silk/", "playbook", "sm-t", " tab "];
const MOBILE_PARTS: [&str; 14] = [
    "iphone",
    "ipod",
    "mobile",
    "midp",
    "blackberry",
    "opera mini",
    "opera mobi",
    "windows phone",
    "symbian",
    "nokia",
    "up.link",
    "docomo",
    "mre/",
    "maui",
];
const DESKTOP_PARTS: [&str; 7] =
    ["windows", "macintosh", "mac os x", "x11", "linux", "cros ", "freebsd"];

pub(super) fn browser(agent: &[u8]) -> Browser {
    first(agent, &BROWSERS).unwrap_or(Browser::Other)
}

pub(super) fn os(agent: &[u8]) -> Os {
    first(agent, &SYSTEMS).unwrap_or(Os::Other)
}

fn first<T: Copy>(agent: &[u8], parts: &[(&str, T)]) -> Option<T> {
    parts.iter().find(|(part, _)| has(agent, part)).map(|(_, family)| *family)
}

/// The class of a person's device. Android without `mobile` is a tablet: so Chrome and Firefox tell them apart.
pub(super) fn device(agent: &[u8]) -> DeviceClass {
    if has_any(agent, &TV_PARTS) {
        DeviceClass::Tv
    } else if has_any(agent, &TABLET_PARTS) {
        DeviceClass::Tablet
    } else if has_any(agent, &MOBILE_PARTS) {
        DeviceClass::Mobile
    } else if has(agent, "android") {
        DeviceClass::Tablet
    } else if has_any(agent, &DESKTOP_PARTS) {
        DeviceClass::Desktop
    } else {
        DeviceClass::Unknown
    }
}
