//! Loads compared with what is recorded: what has started stays, what is new lies ahead.

use std::time::Duration;

use event::Millis;
use expect_test::{Expect, expect};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::{NOW, first, printed, taken};
use crate::record::{State, VersionRecord};
use crate::snapshot::Snapshot;

/// Recorded at [`NOW`]; `terms[1]` has started, `terms[2]` starts in a month, everything else has been so since ever.
const BEFORE: &str = r#"
[program.shop]
title = "Shop"
home = "https://shop.example/"
sites = ["https://shop.example"]
time_zone = "UTC"
currency = "EUR"
state = "live"
[[program.shop.terms]]
valid_from = 2026-01-01T00:00:00Z
lookback_click = "30d"
lookback_impression = "24h"
[[program.shop.terms]]
valid_from = 2026-12-22T00:00:00Z
lookback_click = "20d"
[program.shop.segment.social]
title = "Social"
terms = [{ lookback_click = "14d" }]
[program.shop.segment.empty]
title = "Empty"
[program.shop.channel.search]
title = "Search"
[partner.lea]
title = "Léa"
kind = "content"
[partner.lea.program.shop]
state = [{ value = "approved" }]
segment = [{ value = "social", valid_to = 2027-01-01T00:00:00Z }]
[partner.gone]
title = "Gone"
kind = "content"
[partner.gone.program.shop]
state = [{ value = "approved" }, { value = "ended", valid_from = 2026-06-01T00:00:00Z }]
[link.lea-home]
program = "shop"
partner = "lea"
destination = "https://shop.example/"
expires = 2026-12-01T00:00:00Z
[link.search]
program = "shop"
channel = "search"
destination = "https://shop.example/"
"#;

/// One hour after the first load.
const LATER: Millis = Millis(NOW.0 + 3_600_000);

fn changed(old: &str, new: &str) -> String {
    assert!(BEFORE.contains(old), "{old:?} is not in the file");
    BEFORE.replacen(old, new, 1)
}

fn reload(text: &str) -> Result<Vec<VersionRecord>, String> {
    let state = State::fold(&first(BEFORE)).unwrap();
    taken(text).plan(&state, LATER).map_err(|faults| printed(&faults))
}

/// The change is refused.
#[track_caller]
fn refused(old: &str, new: &str, said: &Expect) {
    said.assert_eq(&reload(&changed(old, new)).unwrap_err());
}

/// The change makes one version of one object.
#[track_caller]
fn recorded(old: &str, new: &str, object: &str) {
    let records = reload(&changed(old, new)).unwrap_or_else(|said| panic!("{said}"));
    let keys: Vec<_> = records.iter().map(|r| (r.key(), r.version, r.recorded_at)).collect();
    let version = if object.ends_with("new") { 1 } else { 2 };
    assert_eq!(keys, [(object.to_owned(), version, LATER)]);
}

#[test]
fn an_unchanged_file_records_nothing() {
    assert_eq!(reload(BEFORE), Ok(vec![]));
}

#[test]
fn a_first_load_may_say_what_was() {
    let state = State::fold(&first(BEFORE)).unwrap();
    let snapshot = Snapshot::build(&state).unwrap();
    let terms = snapshot.program("shop").unwrap().terms_at(NOW);
    assert_eq!(&*terms.reference.id, "program/shop/terms/1");
}

#[test]
fn a_changed_terms_version_that_has_started_is_refused_by_name() {
    refused(
        r#"lookback_click = "30d""#,
        r#"lookback_click = "7d""#,
        &expect![[r#"
        9:1 program.shop.terms[1]: version program/shop/terms/1 started at 2026-01-01T00:00:00.000Z and was changed (lookback_click); put it back as it was recorded and add a new one with valid_from = 2026-11-22T01:01:00.000Z or later
    "#]],
    );
}

#[test]
fn a_deleted_terms_version_that_has_started_is_refused_by_name() {
    refused(
        "[[program.shop.terms]]\nvalid_from = 2026-01-01T00:00:00Z\nlookback_click = \"30d\"\nlookback_impression = \"24h\"\n",
        "",
        &expect![[r#"
            9:1 program.shop.terms[1]: version program/shop/terms/1 started at 2026-01-01T00:00:00.000Z and was deleted or moved; put it back as it was recorded and add a new one with valid_from = 2026-11-22T01:01:00.000Z or later
        "#]],
    );
}

#[test]
fn a_moved_terms_version_that_has_started_is_refused_by_name() {
    refused(
        "valid_from = 2026-01-01T00:00:00Z",
        "valid_from = 2026-01-02T00:00:00Z",
        &expect![[r#"
            9:1 program.shop.terms[1]: version program/shop/terms/1 started at 2026-01-01T00:00:00.000Z and was deleted or moved; put it back as it was recorded and add a new one with valid_from = 2026-11-22T01:01:00.000Z or later
        "#]],
    );
}

#[test]
fn terms_of_a_segment_that_have_started_are_refused_by_name() {
    refused(
        r#"terms = [{ lookback_click = "14d" }]"#,
        "",
        &expect![[r#"
        16:23 program.shop.segment.social.terms[1]: version program/shop/segment/social/terms/1 has held since ever and was deleted or moved; put it back as it was recorded and add a new one with valid_from = 2026-11-22T01:01:00.000Z or later
    "#]],
    );
}

#[test]
fn a_version_that_has_not_started_may_change_or_go() {
    recorded(r#"lookback_click = "20d""#, r#"lookback_click = "25d""#, "program/shop");
    recorded(
        "[[program.shop.terms]]\nvalid_from = 2026-12-22T00:00:00Z\nlookback_click = \"20d\"\n",
        "",
        "program/shop",
    );
}

#[test]
fn a_change_lies_a_minute_ahead_and_not_a_millisecond_less() {
    let at = |ms: i64| {
        let from = Millis(LATER.0 + ms);
        changed("valid_from = 2026-12-22T00:00:00Z", &format!("valid_from = {from}"))
    };
    assert_eq!(reload(&at(60_000)).map(|records| records.len()), Ok(1));
    expect![[r#"
        14:14 program.shop.terms[2].valid_from: is new, but starts at 2026-11-22T01:00:59.999Z, in the past or in less than 60 s; write valid_from = 2026-11-22T01:01:00.000Z or later, so that every node knows it before it holds
    "#]].assert_eq(&reload(&at(59_999)).unwrap_err());
}

#[test]
fn a_version_that_starts_within_the_minute_counts_as_started() {
    let state = State::fold(&first(BEFORE)).unwrap();
    let file = taken(&changed(r#"lookback_click = "20d""#, r#"lookback_click = "25d""#));
    let start = Millis(1_797_897_600_000);
    assert_eq!(start.rfc3339(), "2026-12-22T00:00:00.000Z");
    let before = |ms| start - Duration::from_millis(ms);
    assert!(file.plan(&state, before(60_000)).is_ok());
    let faults = file.plan(&state, before(59_999)).unwrap_err();
    expect![[r#"
        13:1 program.shop.terms[2]: version program/shop/terms/2 starts at 2026-12-22T00:00:00.000Z, in less than 60 s, and was changed (lookback_click); put it back as it was recorded and add a new one with valid_from = 2026-12-22T00:00:00.001Z or later
    "#]].assert_eq(&printed(&faults));
}

#[test]
fn new_terms_of_an_old_object_need_a_start() {
    refused(
        "title = \"Empty\"\n",
        "title = \"Empty\"\nterms = [{ lookback_click = \"1d\" }]\n",
        &expect![[r#"
            21:10 program.shop.segment.empty.terms[1].valid_from: is new, but has no valid_from, so that it would change the past; write valid_from = 2026-11-22T01:01:00.000Z or later, so that every node knows it before it holds
        "#]],
    );
}

#[test]
fn a_new_object_starts_at_once() {
    recorded(
        "[link.search]",
        "[link.new]\nprogram = \"shop\"\npartner = \"lea\"\ndestination = \"https://shop.example/n\"\n[link.search]",
        "link/new",
    );
    recorded(
        "[link.lea-home]",
        "[partner.new]\ntitle = \"New\"\nkind = \"email\"\nprogram.shop.state = \"approved\"\n[link.lea-home]",
        "partner/new",
    );
    recorded(
        "[program.shop.segment.empty]",
        "[program.shop.segment.fresh]\ntitle = \"Fresh\"\nterms = [{ lookback_click = \"1d\" }]\n[program.shop.segment.empty]",
        "program/shop",
    );
}

#[test]
fn settings_change_at_once() {
    recorded("title = \"Shop\"", "title = \"The shop\"", "program/shop");
    recorded("title = \"Léa\"", "title = \"Léa voyage\"", "partner/lea");
    let there = "partner = \"lea\"\ndestination = \"https://shop.example/\"";
    recorded(there, &there.replace("example/", "example/new"), "link/lea-home");
}

#[test]
fn the_state_of_a_partner_is_ended_ahead_and_never_rewritten() {
    let approved = "state = [{ value = \"approved\" }]\nsegment";
    recorded(
        approved,
        "state = [{ value = \"approved\" }, { value = \"ended\", mode = \"freeze\", valid_from = 2026-12-01T00:00:00Z }]\nsegment",
        "partner/lea",
    );
    refused(
        approved,
        "state = [{ value = \"suspended\" }]\nsegment",
        &expect![[r#"
        27:10 partner.lea.program.shop.state[1]: version partner/lea/program/shop/state/1 has held since ever and was changed (state); put it back as it was recorded and add a new one with valid_from = 2026-11-22T01:01:00.000Z or later
    "#]],
    );
    refused(
        approved,
        "state = [{ value = \"approved\" }, { value = \"ended\", valid_from = 2026-11-01T00:00:00Z }]\nsegment",
        &expect![[r#"
            27:66 partner.lea.program.shop.state[2].valid_from: is new, but starts at 2026-11-01T00:00:00.000Z, in the past or in less than 60 s; write valid_from = 2026-11-22T01:01:00.000Z or later, so that every node knows it before it holds
        "#]],
    );
}

#[test]
fn the_end_of_a_segment_membership_moves_in_the_future_only() {
    let ends = "valid_to = 2027-01-01T00:00:00Z";
    recorded(ends, "valid_to = 2027-02-01T00:00:00Z", "partner/lea");
    refused(
        ends,
        "valid_to = 2026-11-22T01:00:59.999Z",
        &expect![[r#"
            28:43 partner.lea.program.shop.segment[1].valid_to: is 2026-11-22T01:00:59.999Z, in the past or in less than 60 s; write 2026-11-22T01:01:00.000Z or later, so that every node knows it before it holds
        "#]],
    );
    recorded(ends, "valid_to = 2026-11-22T01:01:00Z", "partner/lea");
}

#[test]
fn what_a_link_stands_for_never_changes() {
    refused(
        "partner = \"lea\"\ndest",
        "channel = \"search\"\ndest",
        &expect![[r#"
        34:7 link.lea-home.partner: was changed, but what a link stands for never changes; put it back and make a new link with another name
        36:11 link.lea-home.channel: was changed, but what a link stands for never changes; put it back and make a new link with another name
    "#]],
    );
    refused(
        "partner = \"lea\"\ndest",
        "partner = \"gone\"\ndest",
        &expect![[r#"
        36:11 link.lea-home.partner: was changed, but what a link stands for never changes; put it back and make a new link with another name
    "#]],
    );
}

#[test]
fn a_link_is_disabled_ahead() {
    let expires = "expires = 2026-12-01T00:00:00Z\n";
    let with = |state: &str| format!("{expires}{state}\n");
    recorded(
        expires,
        &with(
            "state = [{ value = \"live\" }, { value = \"disabled\", valid_from = 2026-11-22T01:01:00Z }]",
        ),
        "link/lea-home",
    );
    refused(
        expires,
        &with("state = \"disabled\""),
        &expect![[r#"
        39:9 link.lea-home.state[1]: version link/lea-home/state/1 has held since ever and was changed; put it back as it was recorded and add a new one with valid_from = 2026-11-22T01:01:00.000Z or later
    "#]],
    );
}

#[test]
fn a_link_expires_ahead() {
    let expires = "expires = 2026-12-01T00:00:00Z";
    recorded(expires, "", "link/lea-home");
    refused(
        expires,
        "expires = 2026-11-22T00:30:00Z",
        &expect![[r#"
            38:11 link.lea-home.expires: is 2026-11-22T00:30:00.000Z, in the past or in less than 60 s; write 2026-11-22T01:01:00.000Z or later, so that every node knows it before it holds
        "#]],
    );
}

#[test]
fn programs_and_partners_that_have_started_are_not_deleted() {
    let shop = BEFORE.find("[program.shop]").unwrap();
    let text = format!(
        "{}\n[program.other]\ntitle = \"Other\"\nhome = \"https://o.example/\"\nsites = [\"https://o.example\"]\n\
         time_zone = \"UTC\"\ncurrency = \"EUR\"\n",
        BEFORE.get(..shop).unwrap()
    );
    expect![[r#"
        1:1 partner.lea: was deleted, but its part in shop is not over; put it back and end it: add { value = "ended", mode = "run_off", valid_from = … } to its `state`
        3:2 program.shop: was deleted, but orders and decisions name it; put it back and pause it: add { value = "paused", valid_from = … } to its `state`
    "#]].assert_eq(&reload(&text).unwrap_err());
}

#[test]
fn a_partner_that_is_over_may_go_and_is_still_known() {
    let gone = "[partner.gone]\ntitle = \"Gone\"\nkind = \"content\"\n[partner.gone.program.shop]\nstate = [{ value = \"approved\" }, { value = \"ended\", valid_from = 2026-06-01T00:00:00Z }]\n";
    let records = reload(&changed(gone, "")).unwrap();
    assert!(records.len() == 1 && records[0].is_deletion());
    let mut all = first(BEFORE);
    all.extend(records);
    let snapshot = Snapshot::build(&State::fold(&all).unwrap()).unwrap();
    let partner = snapshot.partner("gone").unwrap();
    assert!(partner.is_retired());
    assert_eq!(snapshot.partner_by_id(partner.id()).unwrap().name().as_str(), "gone");
}

#[test]
fn a_deleted_link_keeps_its_number_and_its_name_stays_taken() {
    let link = "[link.search]\nprogram = \"shop\"\nchannel = \"search\"\ndestination = \"https://shop.example/\"\n";
    let mut all = first(BEFORE);
    let number = all.iter().find(|record| record.key() == "link/search").unwrap().number;
    let deletion = reload(&changed(link, "")).unwrap();
    all.extend(deletion);
    let state = State::fold(&all).unwrap();
    let snapshot = Snapshot::build(&state).unwrap();
    assert!(snapshot.link("search").is_none());
    let retired = snapshot.link_by_id(event::LinkId(number)).unwrap();
    assert_eq!((retired.name(), retired.is_retired()), ("search", true));

    let faults = taken(BEFORE).plan(&state, LATER).unwrap_err();
    expect![[r#"
        39:7 link.search: was deleted at 2026-11-22T01:00:00.000Z; its name stays taken; choose another name
    "#]].assert_eq(&printed(&faults));

    let other = changed(link, &link.replace("[link.search]", "[link.search-2]"));
    let again = taken(&other).plan(&state, LATER).unwrap();
    assert_eq!(again.len(), 1);
    assert!(again[0].number > number, "a number is given once");
}

#[test]
fn numbers_are_given_in_the_order_of_the_file() {
    let numbers: Vec<_> = first(BEFORE).iter().map(|r| (r.key(), r.number)).collect();
    let expected = [
        ("program/shop", 1),
        ("partner/lea", 1),
        ("partner/gone", 2),
        ("link/lea-home", 1),
        ("link/search", 2),
    ];
    assert_eq!(numbers, expected.map(|(key, number)| (key.to_owned(), number)));
}

proptest! {
    /// Any series of edits of what may change: what was planned and folded plans nothing more, a topic that delivers
    /// records twice folds to the same state, numbers are given once, and every record survives its bytes.
    #[test]
    fn planning_and_folding_are_idempotent(edits in proptest::collection::vec((0..5, 0..26_u8), 0..12)) {
        let mut base = BEFORE.to_owned();
        let mut links: Vec<String> = Vec::new();
        let mut records = first(BEFORE);
        let mut now = NOW;
        for (made, (edit, n)) in edits.into_iter().enumerate() {
            now = now + Duration::from_secs(120);
            let letter = char::from(b'a' + n);
            match edit {
                0 | 1 => links.push(format!(
                    "[link.{letter}{made}]\nprogram = \"shop\"\npartner = \"lea\"\n\
                     destination = \"https://shop.example/{n}\"\n"
                )),
                2 => drop(links.pop()),
                3 => base = base.replacen("title = \"", &format!("title = \"{letter}"), 1),
                _ => base = base.replacen("click = \"20d", &format!("click = \"{}d", n + 1), 1),
            }
            let text = format!("{base}{}", links.concat());
            let state = State::fold(&records).unwrap();
            let planned = taken(&text).plan(&state, now);
            let planned = planned.map_err(|faults| printed(&faults)).unwrap();
            records.extend(planned);
            let state = State::fold(&records).unwrap();
            prop_assert_eq!(taken(&text).plan(&state, now).unwrap(), vec![]);
            let twice: Vec<_> = records.iter().flat_map(|r| [r, r]).chain(&records).cloned().collect();
            prop_assert_eq!(&State::fold(&twice).unwrap(), &state);
            prop_assert_eq!(state.generation(), records.len() as u64);
        }
        for record in &records {
            let bytes = record.to_bytes().unwrap();
            prop_assert_eq!(&VersionRecord::from_bytes(&bytes).unwrap(), record);
            let envelope = record.to_envelope().unwrap();
            prop_assert_eq!(&VersionRecord::from_envelope(&envelope).unwrap(), record);
        }
        let mut numbers: Vec<_> = records.iter().filter(|r| r.version == 1).map(|r| (r.kind(), r.number)).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        prop_assert!(numbers.len() == count, "a number was given twice");
    }
}

/// What is said when the rules of the first version become others an hour after they were recorded.
fn rules_changed(from: &str, to: &str) -> Result<usize, String> {
    let with = |rules: &str| {
        let old = "lookback_click = \"30d\"";
        changed(old, &format!("{old}\n{rules}"))
    };
    let state = State::fold(&first(&with(from))).unwrap();
    let planned = taken(&with(to)).plan(&state, LATER);
    planned.map(|records| records.len()).map_err(|faults| printed(&faults))
}

#[test]
fn a_changed_commission_rule_that_has_started_is_refused_by_name() {
    let rules = r#"commission = [{ sku = "a", excluded = true }, { percent = "5" }]"#;
    let said = rules_changed(rules, &rules.replace("\"5\"", "\"6\"")).unwrap_err();
    expect![[r#"
        9:1 program.shop.terms[1]: version program/shop/terms/1 started at 2026-01-01T00:00:00.000Z and was changed (commission[2]); put it back as it was recorded and add a new one with valid_from = 2026-11-22T01:01:00.000Z or later
    "#]].assert_eq(&said);
    assert_eq!(rules_changed(rules, &rules.replace("\"5\"", "5")), Ok(0));
    assert_eq!(rules_changed(rules, &rules.replace("\"a\"", "[\"a\"]")), Ok(0));
}

#[test]
fn a_deleted_commission_rule_that_has_started_is_refused_by_name() {
    let rules = r#"commission = [{ sku = "a", excluded = true }, { percent = "5" }]"#;
    let less = r#"commission = [{ sku = "a", excluded = true }]"#;
    expect![[r#"
        9:1 program.shop.terms[1]: version program/shop/terms/1 started at 2026-01-01T00:00:00.000Z and was changed (commission[2]); put it back as it was recorded and add a new one with valid_from = 2026-11-22T01:01:00.000Z or later
    "#]].assert_eq(&rules_changed(rules, less).unwrap_err());
    expect![[r#"
        9:1 program.shop.terms[1]: version program/shop/terms/1 started at 2026-01-01T00:00:00.000Z and was changed (commission); put it back as it was recorded and add a new one with valid_from = 2026-11-22T01:01:00.000Z or later
    "#]].assert_eq(&rules_changed(rules, "").unwrap_err());
}

#[test]
fn margins_and_automatic_approval_that_have_started_are_refused_by_name() {
    let from = "margins = { default = \"35\" }\nauto_approve = true";
    let to = "margins = { default = \"36\" }\nauto_approve = false";
    expect![[r#"
        9:1 program.shop.terms[1]: version program/shop/terms/1 started at 2026-01-01T00:00:00.000Z and was changed (auto_approve, margins); put it back as it was recorded and add a new one with valid_from = 2026-11-22T01:01:00.000Z or later
    "#]].assert_eq(&rules_changed(from, to).unwrap_err());
}

#[test]
fn commission_of_a_version_that_has_not_started_may_change() {
    let later = r#"lookback_click = "20d""#;
    recorded(later, &format!("{later}\ncommission = [{{ percent = \"5\" }}]"), "program/shop");
}

/// A program of this mode in which clicks are paid and rules ask for kinds, and what a change of it is told later.
fn reloaded(mode: &str, commission: &str, old: &str, new: &str) -> String {
    let text = BEFORE
        .replacen("state = \"live\"", &format!("state = \"live\"\nmode = {mode}"), 1)
        .replacen("lookback_click = \"30d\"", &format!("commission = [{commission}]"), 1);
    assert!(text.contains(old), "{old:?} is not in the file");
    let state = State::fold(&first(&text)).unwrap();
    match taken(&text.replacen(old, new, 1)).plan(&state, LATER) {
        Ok(records) => format!("{} recorded\n", records.len()),
        Err(faults) => printed(&faults),
    }
}

const CLICKS: &str = r#"{ per_click = "0.10", currency = "EUR" }"#;
const KINDS: &str = r#"{ percent = "5", currency = "EUR", partner_kind = "content" }"#;
const ORDERS: &str = r#"{ percent = "5", currency = "EUR" }"#;
const ONE: &str = "1 recorded\n";
/// Live a minute and less after the load, or later.
const SOON: &str =
    r#"[{ value = "observe" }, { value = "live", valid_from = 2026-11-22T01:00:30Z }]"#;
const AHEAD: &str =
    r#"[{ value = "observe" }, { value = "live", valid_from = 2026-11-22T01:01:00Z }]"#;

#[test]
fn the_currency_of_a_program_is_free_until_it_is_live() {
    let reloaded = |mode| reloaded(mode, ORDERS, "currency = \"EUR\"\n", "currency = \"USD\"\n");
    expect![[r#"
        7:12 program.shop.currency: was EUR and is USD, but the program has been live: orders of the past that name no currency are in it; put it back; orders and rules may name another currency, or make a new program
    "#]].assert_eq(&reloaded("\"live\""));
    assert_ne!(reloaded(SOON), ONE);
    assert_eq!(reloaded(AHEAD), ONE);
    assert_eq!(reloaded("\"observe\""), ONE);
}

#[test]
fn the_time_zone_of_a_live_program_is_free_until_days_are_paid_or_months_lock() {
    let change = ("time_zone = \"UTC\"", "time_zone = \"Europe/Paris\"");
    let reloaded = |mode, rule| reloaded(mode, rule, change.0, change.1);
    expect![[r#"
        6:13 program.shop.time_zone: was UTC and is Europe/Paris, but the program has been live and program.shop.terms[1] pays or locks by its days: what is paid for one date would count for another; put it back, or make a new program
    "#]].assert_eq(&reloaded("\"live\"", CLICKS));
    assert_eq!(reloaded(AHEAD, CLICKS), ONE);
    assert_eq!(reloaded("\"live\"", ORDERS), ONE);
    let month =
        format!("{ORDERS}]\nlock = {{ month_end_plus = 3 }}\nnon_credit_channels = [\"direct\"");
    assert_ne!(reloaded("\"live\"", &month), ONE);
    assert_eq!(reloaded("\"observe\"", &month), ONE);
}

#[test]
fn the_kind_of_a_partner_is_free_until_a_live_program_pays_by_it() {
    let change = ("title = \"Léa\"\nkind = \"content\"", "title = \"Léa\"\nkind = \"coupon\"");
    let reloaded = |mode, rule| reloaded(mode, rule, change.0, change.1);
    expect![[r#"
        26:8 partner.lea.kind: was content and is coupon, but program.shop.terms[1] has started and pays by it: orders of the past would be priced anew; put it back; a rule may name the partner in place of its kind, from a time ahead on
    "#]].assert_eq(&reloaded("\"live\"", KINDS));
    assert_eq!(reloaded("\"observe\"", KINDS), ONE);
    assert_eq!(reloaded("\"live\"", ORDERS), ONE);
}
