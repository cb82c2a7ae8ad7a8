//! Bot or not: the published lists first, then words that name a machine, then agents that no browser sends.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::{has, has_any};

/// Texts of the published lists, one a line; `^` and `$` anchor. Origin, versions and licences: `assets/agents`.
const LISTED: &str = include_str!("../../assets/agents/bots.txt");

/// Words with which a machine says what it is, in any agent. An address to read more at is the surest of them.
const WORDS: [&str; 31] = [
    "http://",
    "https://",
    "+http",
    "(www.",
    " www.",
    "robot",
    "scanner",
    "synthetic",
    "lighthouse",
    "phantomjs",
    "selenium",
    "puppeteer",
    "playwright",
    "cypress/",
    "health check",
    "health-check",
    "healthcheck",
    "indexer",
    "webmaster",
    "probe/",
    "verification",
    "burpcollaborator",
    "research",
    "survey",
    "diagnostics",
    "-user/",
    "datadog",
    "${",
    "<?",
    "; compatible;",
    "; compatible)",
];

/// Parts of agents that begin with `Mozilla/` or `Opera/` and are sent by browsers: engines, browsers, systems.
const BROWSER_PARTS: [&str; 36] = [
    "applewebkit",
    "gecko",
    "msie",
    "trident",
    "khtml",
    "presto",
    "opera",
    "netfront",
    "rv:",
    "goanna",
    "servo",
    "konqueror",
    "netscape",
    "nokia",
    "obigo",
    "iphone",
    "android",
    "windows",
    "linux",
    "macintosh",
    "x11",
    "playstation",
    "nintendo",
    "netsurf",
    "dillo",
    "ibrowse",
    "os/2",
    "beos",
    "symbian",
    "palmos",
    "risc os",
    "amiga",
    "morphos",
    "haiku",
    "inferno",
    "ms-office",
];

/// Parts of agents that begin otherwise and are sent for a person: phones of the time before `Mozilla/5.0`, televisions,
/// consoles, apps on Apple's network library, text browsers.
const DEVICE_PARTS: [&str; 51] = [
    "midp",
    "wap",
    "browser",
    "android",
    "linux; u",
    "symbian",
    "brew",
    "opera",
    "iphone",
    "ipad",
    "netfront",
    "obigo",
    "webos",
    "applewebkit",
    "blackberry",
    "windows phone",
    "dalvik",
    "profile/",
    "mre",
    "maui",
    "teleca",
    "up.link",
    "smarttv",
    "smart-tv",
    "hbbtv",
    "safari",
    "gecko",
    "msie",
    "docomo",
    "ucweb",
    "opr/",
    "lynx/",
    "links (",
    "elinks",
    "w3m/",
    "mosaic",
    "nintendo",
    "cfnetwork",
    "playstation",
    "netbox",
    "amiga",
    "morphos",
    "ibrowse",
    "palmos",
    "risc os",
    "ms-office",
    "outlook",
    "roku",
    "sonos",
    "quicktime",
    "[fban/",
];

/// Where in an agent a text of the lists counts.
#[derive(Clone, Copy)]
struct Anchors {
    start: bool,
    end: bool,
}

struct Lists {
    texts: AhoCorasick,
    anchors: Vec<Anchors>,
}

impl Lists {
    fn build() -> Option<Self> {
        let listed = LISTED.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let (mut texts, mut anchors) = (Vec::new(), Vec::new());
        for line in listed.chain(WORDS) {
            let (start, line) = line.strip_prefix('^').map_or((false, line), |rest| (true, rest));
            let (end, line) = line
                .strip_suffix('$')
                .filter(|rest| !rest.is_empty())
                .map_or((false, line), |rest| (true, rest));
            texts.push(line);
            anchors.push(Anchors { start, end });
        }
        let texts =
            AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(texts).ok()?;
        Some(Self { texts, anchors })
    }

    /// Whether an agent, in lower case, carries a text of the lists.
    fn name(&self, agent: &[u8]) -> bool {
        self.texts.find_overlapping_iter(agent).any(|found| {
            self.anchors.get(found.pattern().as_usize()).is_some_and(|anchors| {
                (!anchors.start || found.start() == 0)
                    && (!anchors.end || found.end() == agent.len())
            })
        })
    }
}

static LISTS: LazyLock<Option<Lists>> = LazyLock::new(Lists::build);

/// Builds the lists now instead of at the first agent.
pub(super) fn warm() {
    LazyLock::force(&LISTS);
}

/// Whether an agent, in lower case and not empty, is a machine's.
pub(super) fn is_bot(agent: &[u8]) -> bool {
    LISTS.as_ref().is_some_and(|lists| lists.name(agent)) || says_bot(agent) || is_no_browser(agent)
}

/// The word `bot`. Phones are called so too ("C Bot Tab", "CUBOT"), hence not beside `android`, where the lists and the
/// address decide.
fn says_bot(agent: &[u8]) -> bool {
    if has(agent, "android") {
        return false;
    }
    memchr::memmem::find_iter(agent, "bot").any(|at| {
        let rest = agent.get(at + 3..).unwrap_or_default();
        let rest = rest.strip_prefix(b"s").unwrap_or(rest);
        let ends_word = !rest.first().is_some_and(u8::is_ascii_lowercase);
        ends_word && !agent.get(..at).is_some_and(|before| before.ends_with(b" cu"))
    })
}

/// An agent with nothing that browsers send.
fn is_no_browser(agent: &[u8]) -> bool {
    if agent.starts_with(b"mozilla/") || agent.starts_with(b"opera/") {
        !has_any(agent, &BROWSER_PARTS)
    } else {
        !has_any(agent, &DEVICE_PARTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_hold_thousands_of_texts_and_build() {
        let lists = Lists::build().expect("the lists build");
        assert!(lists.anchors.len() > 2_500, "{}", lists.anchors.len());
    }
}
