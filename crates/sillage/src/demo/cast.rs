//! Who plays in the demo: the sample catalog's partners as the generator of journeys knows them.
//!
//! The generator must not learn the truth from the system that it checks, so windows stand here a second time, as facts
//! of the play; a test holds them against the catalog.

use super::money::Pay;

/// One partner of the play, with one of its links.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Player {
    /// Name in the catalog; none for the merchant's own paid search.
    pub partner: Option<&'static str>,
    /// Name for people.
    pub title: &'static str,
    /// What it is.
    pub kind: &'static str,
    /// What it is paid: the first that matches a line.
    pub pay: &'static [Pay],
    /// Its link.
    pub link: &'static str,
    /// Click window in hours.
    pub click_window_h: f64,
    /// Share of the clicks, before normalization: Zipf with exponent 1.1 over the rank. 0 for those that have a kind of
    /// journey of their own.
    pub share: f64,
}

/// Nothing for gift cards, whoever brings them.
const GIFT_CARDS: Pay = Pay { category: Some("gift-card"), ..Pay::of_everything(0) };
const EDITORS: &[Pay] = &[GIFT_CARDS, Pay::of_everything(800)];
const COMPARISON: &[Pay] = &[GIFT_CARDS, Pay::of_everything(500)];
const INFLUENCERS: &[Pay] = &[
    GIFT_CARDS,
    Pay { new_customers: true, cap_cents: Some(4000), ..Pay::of_everything(1200) },
    Pay::of_everything(1000),
];
const DEALS: &[Pay] = &[
    GIFT_CARDS,
    Pay { new_customers: true, cap_cents: Some(2500), ..Pay::of_everything(600) },
    Pay { category: Some("electronics"), ..Pay::of_everything(150) },
    Pay { cap_cents: Some(1500), ..Pay::of_everything(300) },
];

/// The players, best known first.
pub(super) const PLAYERS: [Player; 9] = [
    Player {
        partner: Some("lea-voyage"),
        title: "Léa voyage",
        kind: "content",
        pay: EDITORS,
        link: "lea-home",
        click_window_h: days(30),
        share: 1.0,
    },
    Player {
        partner: Some("comparo"),
        title: "Comparo",
        kind: "comparison",
        pay: COMPARISON,
        link: "comparo-bag",
        click_window_h: days(45),
        share: 0.467,
    },
    Player {
        partner: Some("nina"),
        title: "Nina (videos)",
        kind: "influencer",
        pay: INFLUENCERS,
        link: "nina-video",
        click_window_h: days(14),
        share: 0.299,
    },
    Player {
        partner: Some("la-lettre"),
        title: "La lettre du week-end",
        kind: "email",
        pay: DEALS,
        link: "lettre-weekend",
        click_window_h: days(10),
        share: 0.218,
    },
    Player {
        partner: Some("bon-code"),
        title: "Bon code",
        kind: "coupon",
        pay: DEALS,
        link: "bon-code-page",
        click_window_h: days(1),
        share: 0.170,
    },
    Player {
        partner: None,
        title: "own channel",
        kind: "",
        pay: &[],
        link: "search-brand",
        click_window_h: days(30),
        share: 0.139,
    },
    Player {
        partner: Some("cashli"),
        title: "Cashli",
        kind: "cashback",
        pay: DEALS,
        link: "cashli-go",
        click_window_h: days(7),
        share: 0.0,
    },
    Player {
        partner: Some("vieux-guide"),
        title: "Le vieux guide",
        kind: "content",
        pay: EDITORS,
        link: "vieux-guide-top",
        click_window_h: days(30),
        share: 0.0,
    },
    Player {
        partner: Some("marc-run"),
        title: "Marc court",
        kind: "influencer",
        pay: INFLUENCERS,
        link: "marc-banner",
        click_window_h: days(14),
        share: 0.0,
    },
];

const fn days(days: u32) -> f64 {
    24.0 * days as f64
}

/// The merchant's own paid search.
pub(super) const PAID_SEARCH: usize = 5;
/// The cashback site; its link is exempt from consent.
pub(super) const CASHBACK: usize = 6;
/// The partner whose part in the program has ended.
pub(super) const ENDED: usize = 7;
/// Who shows banners that nobody clicks, and is paid by the thousand.
pub(super) const BANNERS: usize = 8;

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

#[cfg(test)]
mod tests {
    use catalog::commission::{CommissionRule, Pays};
    use catalog::{Format, Lookback, snapshot_of};
    use event::Millis;
    use event::body::CustomerType;

    use super::super::money::Pay;
    use super::PLAYERS;

    /// 2026-11-03T00:00:00Z.
    const NOW: Millis = Millis(1_793_664_000_000);
    const CATALOG: &str = include_str!("../../../../config/sample-catalog.toml");

    /// A rule of the catalog in the play's words; none if no order of the play can meet it.
    fn pay_of(rule: &CommissionRule) -> Option<(Option<String>, bool, u64, Option<u64>)> {
        let points = match rule.pays {
            Pays::Percent(rate) => u64::from(rate.0) / 100,
            Pays::Excluded => 0,
            Pays::PerOrder(_) if !rule.when.coupon.is_empty() => return None,
            Pays::PerClick(_) | Pays::PerThousandImpressions(_) | Pays::PerPeriod { .. } => {
                return None;
            }
            Pays::PerOrder(_) => panic!("the play does not know pay per order"),
        };
        let category = rule.when.category.first().map(|category| category.to_string());
        let new_customers = rule.when.customer == Some(CustomerType::New);
        let cap_cents = rule.cap_per_order.map(|cap| cap.0.unsigned_abs() / 10_000);
        Some((category, new_customers, points, cap_cents))
    }

    #[test]
    fn the_cast_has_the_windows_and_the_pay_of_the_sample_catalog() {
        let snapshot = snapshot_of(CATALOG, Format::Toml, NOW).unwrap();
        let program = snapshot.program("boutique").unwrap();
        for player in PLAYERS {
            let terms = program.touch_terms(player.partner, NOW);
            let Lookback::Within(window_ms) = terms.lookback_click.value else { panic!() };
            #[expect(clippy::cast_precision_loss, reason = "hours of a few weeks")]
            let window_h = window_ms as f64 / 3_600_000.0;
            assert!((window_h - player.click_window_h).abs() < 1e-9, "{}", player.title);
            let Some(partner) = player.partner else { continue };
            let known = snapshot.partner(partner).unwrap();
            assert_eq!(
                (&*known.body().title, known.body().kind.as_str()),
                (player.title, player.kind)
            );
            let commission = program.commission(partner, NOW);
            let mut expected = commission.rules.iter().filter_map(|ranked| pay_of(ranked.rule));
            for pay in player.pay {
                let Pay { category, new_customers, points, cap_cents } = *pay;
                let own = (category.map(str::to_owned), new_customers, points, cap_cents);
                assert_eq!(Some(own), expected.next(), "{}", player.title);
            }
            let last = player.pay.last().unwrap();
            assert!(last.category.is_none() && !last.new_customers, "later rules are never met");
        }
    }
}
