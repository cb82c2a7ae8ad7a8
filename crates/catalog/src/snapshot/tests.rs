//! Tests of look-up and resolution.

use event::{LinkId, Millis, PartnerId, ProgramId};

use super::{Level, LinkRef, ProgramRef, Snapshot, Standing, TouchTerms, Unavailable};
use crate::import::{Format, snapshot_of};
use crate::partner::EndMode;
use crate::record::{State, VersionRecord};
use crate::terms::{Lookback, Treatment};

const DAY: i64 = event::time::DAY_MS;
/// 2026-03-01T00:00:00Z, when things change in the catalog below.
const MARCH: Millis = Millis(1_772_323_200_000);
const BEFORE_MARCH: Millis = Millis(MARCH.0 - 1);

const TEXT: &str = r#"
[program.shop]
title = "Shop"
home = "https://shop.example/"
sites = ["https://shop.example"]
fallback = "https://shop.example/old"
time_zone = "UTC"
currency = "EUR"
state = [{ value = "live" }, { value = "paused", valid_from = 2026-12-01T00:00:00Z }]
reports = { token_sha256 = ["00000000000000000000000000000000000000000000000000000000000000ff"], hmac_keys = ["k1"] }
[[program.shop.terms]]
valid_from = 2026-01-01T00:00:00Z
lookback_click = "30d"
lookback_impression = "24h"
channel_map = { display = "impression_only", "Retail Store" = "none" }
[[program.shop.terms]]
valid_from = 2026-03-01T00:00:00Z
valid_to = 2026-04-01T00:00:00Z
lookback_click = "10d"
[program.shop.segment.social]
title = "Social"
terms = [
  { lookback_click = "14d", channel_map = { display = "click_only" } },
  { valid_from = 2026-03-01T00:00:00Z, lookback_click = "7d", lookback_impression = "off" },
]
[program.shop.segment.plain]
title = "Plain"
[program.shop.channel.search]
title = "Search"

[partner.own-terms]
title = "Own terms"
kind = "content"
[partner.own-terms.program.shop]
state = "approved"
segment = "social"
terms = [{ valid_to = 2026-03-01T00:00:00Z, lookback_click = "45d", channel_map = { display = "any" } }]
[partner.by-segment]
title = "By segment"
kind = "influencer"
[partner.by-segment.program.shop]
state = [{ value = "approved", valid_from = 2026-02-01T00:00:00Z }]
segment = [{ value = "plain" }, { value = "social", valid_from = 2026-02-15T00:00:00Z }]
[partner.frozen]
title = "Frozen"
kind = "coupon"
[partner.frozen.program.shop]
state = [
  { value = "approved" },
  { value = "ended", mode = "freeze", valid_from = 2026-03-01T00:00:00Z },
  { value = "approved", valid_from = 2026-05-01T00:00:00Z },
]
[partner.runs-off]
title = "Runs off"
kind = "reward"
[partner.runs-off.program.shop]
state = [{ value = "approved" }, { value = "ended", valid_from = 2026-03-01T00:00:00Z }]

[link.own]
program = "shop"
partner = "own-terms"
destination = "https://shop.example/a?c={click_id}"
creative = "banner"
[link.dated]
program = "shop"
partner = "own-terms"
destination = "https://shop.example/b"
fallback = "https://shop.example/elsewhere"
state = [{ value = "live", valid_from = 2026-03-01T00:00:00Z }, { value = "disabled", valid_from = 2026-04-01T00:00:00Z }, { value = "live", valid_from = 2026-05-01T00:00:00Z }]
expires = 2026-06-01T00:00:00Z
[link.ended]
program = "shop"
partner = "runs-off"
destination = "https://shop.example/c"
exempt = true
[link.search]
program = "shop"
channel = "search"
destination = "https://shop.example/d"
"#;

fn snapshot() -> Snapshot {
    snapshot_of(TEXT, Format::Toml, MARCH).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn shop(snapshot: &Snapshot) -> ProgramRef<'_> {
    snapshot.program("shop").unwrap()
}

/// `30d program program/shop/terms/1`: a window, its level and its version.
fn click(terms: &TouchTerms<'_>) -> String {
    window(&terms.lookback_click)
}

fn window(found: &super::Resolved<'_, Lookback>) -> String {
    let value = match found.value {
        Lookback::Off => "off".to_owned(),
        Lookback::Within(ms) if ms % DAY == 0 => format!("{}d", ms / DAY),
        Lookback::Within(ms) => format!("{ms}ms"),
    };
    format!("{value} {:?} {}", found.level, found.terms.id)
}

#[test]
fn a_value_comes_from_the_partner_else_its_segment_else_the_program() {
    let snapshot = snapshot();
    let at = |partner, t| shop(&snapshot).touch_terms(partner, t);
    let t = BEFORE_MARCH;
    assert_eq!(
        click(&at(Some("own-terms"), t)),
        "45d Partner partner/own-terms/program/shop/terms/1"
    );
    assert_eq!(
        click(&at(Some("by-segment"), t)),
        "14d Segment program/shop/segment/social/terms/1"
    );
    assert_eq!(click(&at(Some("frozen"), t)), "30d Program program/shop/terms/1");
    assert_eq!(click(&at(None, t)), "30d Program program/shop/terms/1");
    assert_eq!(click(&at(Some("nobody"), t)), "30d Program program/shop/terms/1");
    let impression = at(Some("own-terms"), t).lookback_impression;
    assert_eq!(window(&impression), "1d Program program/shop/terms/1");
    assert_eq!(at(Some("own-terms"), t).min_click_to_conversion_ms.value, 0);
}

#[test]
fn off_stops_the_search_and_absence_does_not() {
    let snapshot = snapshot();
    let terms = shop(&snapshot).touch_terms(Some("by-segment"), MARCH);
    assert_eq!(
        window(&terms.lookback_impression),
        "off Segment program/shop/segment/social/terms/2"
    );
}

#[test]
fn terms_hold_from_their_first_millisecond_until_one_before_their_end() {
    let snapshot = snapshot();
    let at = |partner, t| click(&shop(&snapshot).touch_terms(partner, t));
    assert_eq!(at(None, BEFORE_MARCH), "30d Program program/shop/terms/1");
    assert_eq!(at(None, MARCH), "10d Program program/shop/terms/2");
    assert_eq!(
        at(Some("by-segment"), BEFORE_MARCH),
        "14d Segment program/shop/segment/social/terms/1"
    );
    assert_eq!(at(Some("by-segment"), MARCH), "7d Segment program/shop/segment/social/terms/2");
    assert_eq!(
        at(Some("own-terms"), BEFORE_MARCH),
        "45d Partner partner/own-terms/program/shop/terms/1"
    );
    assert_eq!(at(Some("own-terms"), MARCH), "7d Segment program/shop/segment/social/terms/2");
}

#[test]
fn while_a_program_has_no_terms_in_force_the_defaults_hold_by_name() {
    let snapshot = snapshot();
    let april = MARCH.0 + 31 * DAY;
    let at = |t| click(&shop(&snapshot).touch_terms(None, Millis(t)));
    assert_eq!(at(april - 1), "10d Program program/shop/terms/2");
    assert_eq!(at(april), "30d Default program/shop/terms/0");
    assert_eq!(at(0), "30d Default program/shop/terms/0");
    assert_eq!(&*shop(&snapshot).terms_at(Millis(april)).reference.id, "program/shop/terms/0");
}

#[test]
fn the_segment_is_the_one_at_the_time() {
    let snapshot = snapshot();
    let joined = MARCH.0 - 14 * DAY;
    let at = |t| shop(&snapshot).touch_terms(Some("by-segment"), Millis(t));
    assert_eq!(at(joined - 1).segment.unwrap().as_str(), "plain");
    assert_eq!(click(&at(joined - 1)), "30d Program program/shop/terms/1");
    assert_eq!(at(joined).segment.unwrap().as_str(), "social");
    assert_eq!(click(&at(joined)), "14d Segment program/shop/segment/social/terms/1");
}

#[test]
fn a_partner_is_approved_from_its_first_millisecond() {
    let snapshot = snapshot();
    let february = MARCH.0 - 28 * DAY;
    let at = |t| shop(&snapshot).standing("by-segment", Millis(t), Millis(MARCH.0));
    assert_eq!(at(february - 1), Standing::NotApproved);
    assert_eq!(at(february), Standing::Active);
    assert_eq!(shop(&snapshot).standing("nobody", MARCH, MARCH), Standing::NotApproved);
}

#[test]
fn a_freeze_bars_orders_from_its_first_millisecond_and_run_off_does_not() {
    let snapshot = snapshot();
    let touch = Millis(MARCH.0 - DAY);
    let at = |partner, t_conv| shop(&snapshot).standing(partner, touch, t_conv);
    assert_eq!(at("frozen", BEFORE_MARCH), Standing::Active);
    assert_eq!(at("frozen", MARCH), Standing::Ended { at: MARCH, mode: EndMode::Freeze });
    assert_eq!(at("runs-off", MARCH), Standing::Active);
    assert_eq!(shop(&snapshot).standing("runs-off", BEFORE_MARCH, MARCH), Standing::Active);
    assert_eq!(shop(&snapshot).standing("runs-off", MARCH, MARCH), Standing::NotApproved);
}

#[test]
fn a_freeze_stays_for_earlier_touches_when_the_partner_comes_back() {
    let snapshot = snapshot();
    let june = Millis(MARCH.0 + 92 * DAY);
    let standing = |touch| shop(&snapshot).standing("frozen", touch, june);
    assert_eq!(standing(BEFORE_MARCH), Standing::Ended { at: MARCH, mode: EndMode::Freeze });
    assert_eq!(standing(Millis(june.0 - DAY)), Standing::Active);
}

#[test]
fn the_channel_of_an_order_is_mapped_by_partner_then_segment_then_program() {
    let snapshot = snapshot();
    let at = |partner, channel| {
        let found = shop(&snapshot).channel_treatment(partner, channel, BEFORE_MARCH);
        (found.treatment, found.mapped.map(|(level, _)| level))
    };
    assert_eq!(at(Some("own-terms"), Some("display")), (Treatment::Any, Some(Level::Partner)));
    assert_eq!(
        at(Some("by-segment"), Some("display")),
        (Treatment::ClickOnly, Some(Level::Segment))
    );
    assert_eq!(
        at(Some("frozen"), Some(" DISPLAY ")),
        (Treatment::ImpressionOnly, Some(Level::Program))
    );
    assert_eq!(at(Some("frozen"), Some("retail store")), (Treatment::None, Some(Level::Program)));
    for unmapped in [None, Some(""), Some("other")] {
        assert_eq!(at(Some("frozen"), unmapped), (Treatment::Any, None));
    }
}

#[test]
fn the_hash_of_terms_depends_on_content_and_start_and_not_on_their_end() {
    let hash = |text: &str, t| {
        let snapshot = snapshot_of(text, Format::Toml, MARCH).unwrap();
        shop(&snapshot).terms_at(t).reference.clone()
    };
    let same = hash(TEXT, MARCH);
    let ends = TEXT.replacen("valid_to = 2026-04-01", "valid_to = 2026-05-01", 1);
    assert_eq!(hash(&ends, MARCH), same);
    let other = TEXT.replacen("lookback_click = \"10d\"", "lookback_click = \"11d\"", 1);
    assert_eq!(hash(&other, MARCH).id, same.id);
    assert_ne!(hash(&other, MARCH).hash, same.hash);
    let starts = TEXT.replacen(
        "valid_from = 2026-03-01T00:00:00Z\nvalid_to",
        "valid_from = 2026-03-02T00:00:00Z\nvalid_to",
        1,
    );
    assert_ne!(hash(&starts, Millis(MARCH.0 + DAY)).hash, same.hash);
    assert_eq!(hash(&other, BEFORE_MARCH), hash(TEXT, BEFORE_MARCH));
}

#[test]
fn objects_are_found_by_name_number_token_and_key() {
    let snapshot = snapshot();
    let link = snapshot.link("own").unwrap();
    assert_eq!((link.id(), link.name()), (LinkId(1), "own"));
    assert_eq!(link.program().name().as_str(), "shop");
    assert_eq!(link.partner().unwrap().name().as_str(), "own-terms");
    assert_eq!(link.channel().as_str(), "partner");
    assert_eq!(link.destination(), "https://shop.example/a?c={click_id}");
    assert_eq!(link.creative(), Some("banner"));
    assert_eq!(snapshot.link_by_id(LinkId(1)).unwrap().name(), "own");
    assert_eq!(snapshot.program_by_id(ProgramId(1)).unwrap().name().as_str(), "shop");
    assert_eq!(snapshot.partner_by_id(PartnerId(2)).unwrap().name().as_str(), "by-segment");
    for absent in [0, 5, u32::MAX] {
        assert!(snapshot.link_by_id(LinkId(absent)).is_none());
        assert!(snapshot.partner_by_id(PartnerId(absent)).is_none());
    }
    let search = snapshot.link("search").unwrap();
    assert!(search.partner().is_none() && search.creative().is_none());
    assert_eq!(search.channel().as_str(), "search");
    for absent in ["", "OWN", "own2", "ow", &"x".repeat(10_000)] {
        assert!(snapshot.link(absent).is_none(), "{absent}");
    }
    let body = shop(&snapshot).body();
    assert!(snapshot.program_by_token(&body.reports.token_sha256[0]).is_some());
    assert!(snapshot.program_by_report_key("k1").is_some());
    assert!(snapshot.program_by_report_key("k2").is_none());
    assert_eq!(shop(&snapshot).cookie_max_age_ms(), 45 * DAY);
}

#[test]
fn a_link_leads_to_its_fallback_while_it_is_not_available() {
    let snapshot = snapshot();
    let link = |name| snapshot.link(name).unwrap();
    let day = |n: i64| Millis(MARCH.0 + n * DAY);
    let why = |name, t| link(name).unavailable(t);
    assert_eq!(why("own", MARCH), None);
    assert_eq!(why("dated", BEFORE_MARCH), Some(Unavailable::Disabled));
    assert_eq!(why("dated", MARCH), None);
    assert_eq!(why("dated", Millis(day(31).0 - 1)), None);
    assert_eq!(why("dated", day(31)), Some(Unavailable::Disabled));
    assert_eq!(why("dated", Millis(day(92).0 - 1)), None);
    assert_eq!(why("dated", day(92)), Some(Unavailable::Expired));
    assert_eq!(why("ended", BEFORE_MARCH), None);
    assert_eq!(why("ended", MARCH), Some(Unavailable::PartnerEnded));
    assert_eq!(why("search", Millis(day(275).0 - 1)), None);
    assert_eq!(why("search", day(275)), Some(Unavailable::ProgramPaused));
    assert_eq!(link("dated").fallback(), "https://shop.example/elsewhere");
    assert_eq!(link("own").fallback(), "https://shop.example/old");
    assert!(link("ended").is_exempt() && !link("own").is_exempt());
}

#[test]
fn a_snapshot_of_nothing_finds_nothing() {
    let empty = Snapshot::build(&State::default()).unwrap();
    assert!(empty.link("a").is_none() && empty.program("a").is_none());
    assert_eq!((empty.generation(), empty.recorded_at(), empty.link_count()), (0, None, 0));
}

#[test]
fn every_link_of_many_is_found_by_name_and_number() {
    let mut text = String::from(TEXT);
    for n in 0..5_000 {
        text.push_str(&format!(
            "[link.n{n}]\nprogram = \"shop\"\nchannel = \"search\"\ndestination = \"https://shop.example/{n}\"\n"
        ));
    }
    let snapshot = snapshot_of(&text, Format::Toml, MARCH).unwrap();
    assert_eq!(snapshot.links().count(), 5_004);
    for link in snapshot.links() {
        assert_eq!(
            snapshot.link(link.name()).map(|found: LinkRef<'_>| found.id()),
            Some(link.id())
        );
        assert_eq!(snapshot.link_by_id(link.id()).unwrap().name(), link.name());
    }
}

#[test]
fn records_that_contradict_each_other_make_no_state() {
    let file = crate::import::CatalogFile::parse(TEXT, Format::Toml).unwrap();
    let records = file.plan(&State::default(), MARCH).unwrap();
    let (shop, link) = (&records[0], records.last().unwrap());
    let fold = |records: &[VersionRecord]| {
        let state = State::fold(records).and_then(|state| Snapshot::build(&state).map(|_| ()));
        state.unwrap_err().to_string()
    };
    let with = |version, number| VersionRecord { version, number, ..shop.clone() };
    assert_eq!(fold(&[with(2, 1)]), "program/shop: version 1 is missing before version 2");
    assert_eq!(
        fold(&[shop.clone(), with(3, 1)]),
        "program/shop: version 2 is missing before version 3"
    );
    assert_eq!(fold(&[shop.clone(), with(2, 9)]), "program/shop: its number 1 cannot become 9");
    assert_eq!(fold(&[with(1, 0)]), "program/shop: the number 0 is not free");
    assert_eq!(
        fold(std::slice::from_ref(link)),
        "link/search names program/shop, which is not in the catalog"
    );
    let mut twins = records.clone();
    let last = twins.len() - 1;
    twins[last].number = 1;
    assert_eq!(fold(&twins), "link/search: the number 1 is not free");
}
