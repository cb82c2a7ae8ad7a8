//! Who plays in the demo: the sample catalog's partners as the generator of journeys knows them.
//!
//! The generator must not learn the truth from the system that it checks, so windows stand here a second time, as facts
//! of the play; a test holds them against the catalog.

/// One partner of the play, with one of its links.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Player {
    /// Name in the catalog; none for the merchant's own paid search.
    pub partner: Option<&'static str>,
    /// Its link.
    pub link: &'static str,
    /// Click window in hours.
    pub click_window_h: f64,
    /// Share of the clicks, before normalization: Zipf with exponent 1.1 over the rank. 0 for those that have a kind of
    /// journey of their own.
    pub share: f64,
}

const fn player(
    partner: Option<&'static str>,
    link: &'static str,
    click_window_days: f64,
    share: f64,
) -> Player {
    Player { partner, link, click_window_h: click_window_days * 24.0, share }
}

/// The players, best known first.
pub(super) const PLAYERS: [Player; 8] = [
    player(Some("lea-voyage"), "lea-home", 30.0, 1.0),
    player(Some("comparo"), "comparo-bag", 45.0, 0.467),
    player(Some("nina"), "nina-video", 14.0, 0.299),
    player(Some("la-lettre"), "lettre-weekend", 10.0, 0.218),
    player(Some("bon-code"), "bon-code-page", 1.0, 0.170),
    player(None, "search-brand", 30.0, 0.139),
    player(Some("cashli"), "cashli-go", 7.0, 0.0),
    player(Some("vieux-guide"), "vieux-guide-top", 30.0, 0.0),
];

/// The merchant's own paid search.
pub(super) const PAID_SEARCH: usize = 5;
/// The cashback site; its link is exempt from consent.
pub(super) const CASHBACK: usize = 6;
/// The partner whose part in the program has ended.
pub(super) const ENDED: usize = 7;

/// User agents of people.
pub(super) const PEOPLE: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
];

/// User agents of programs.
pub(super) const BOTS: [&str; 3] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "python-requests/2.32.3",
];
