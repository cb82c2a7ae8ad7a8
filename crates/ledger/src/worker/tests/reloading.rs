//! Catalogs that come while orders wait or are open.

use super::*;

/// Loads a changed catalog file.
fn reload(catalog: &Handle, text: &str, at: i64) {
    catalog.reload(text, Format::Toml, Millis(T + at), |_| Ok::<_, std::io::Error>(())).unwrap();
}

#[test]
fn an_order_waits_for_a_catalog_that_names_its_partner() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather::fair(1));
    let key = order("BX-1");
    append(&bench.log, &decision(&key, 1, 10_000_000, &[("zoe", 1)]));
    let process = bench.worker(folder.path());
    let mut session = process.subscribe().unwrap();
    (0..20).for_each(|_| {
        session.turn().unwrap();
    });
    assert_eq!(books(folder.path()), Vec::<String>::new());
    let zoe = "[partner.zoe]\ntitle = \"Zoe\"\nkind = \"content\"\nprogram.shop = { state = \"approved\" }\n";
    reload(&bench.catalog, &format!("{SHOP}\n{zoe}"), 0);
    (0..20).for_each(|_| {
        session.turn().unwrap();
    });
    assert_eq!(
        books(folder.path()),
        [format!("shop\t{key}\tzoe\tEUR\tpending\t10000000\t625000\t0")]
    );
}

#[test]
fn an_announced_forfeit_takes_open_orders_when_it_is_there_and_nothing_before() {
    for locks in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut bench = Bench::new(Weather::fair(1));
        bench.config.locks = locks;
        for (name, partner) in
            [("BX-1", "lea"), ("BX-2", "nina"), ("BX-3", "lea"), ("BX-4", "lea"), ("BX-5", "lea")]
        {
            append(&bench.log, &decision(&order(name), 1, 10_000_000, &[(partner, 1)]));
        }
        let process = bench.worker(folder);
        let mut session = process.subscribe().unwrap();
        let mut states = |text: &str, at: i64| {
            bench.clock.set(Millis(T + at));
            reload(&bench.catalog, text, at);
            (0..60).for_each(|_| {
                session.turn().unwrap();
            });
            let state = |line: String| line.split('\t').nth(4).unwrap().to_owned();
            books(folder).into_iter().map(state).collect::<Vec<_>>().join(" ")
        };
        let open = "pending pending pending pending pending";
        assert_eq!(states(SHOP, DAY), open);
        let end = |at: i64| {
            let over = format!(
                r#"[{{ value = "approved" }}, {{ value = "ended", mode = "forfeit", reason = "x", evidence = "y", valid_from = {} }}]"#,
                Millis(T + at).rfc3339()
            );
            SHOP.replacen("{ state = \"approved\" }", &format!("{{ state = {over} }}"), 1)
        };
        let posted = || bench.log.records(Topic::Transfers).len();
        let before = posted();
        for at in 1..4 {
            assert_eq!(states(&end(5 * DAY), DAY + at), open, "announced");
            assert_eq!(states(SHOP, DAY + at), open, "withdrawn before it began");
        }
        let ended = end(6 * DAY);
        assert_eq!(states(&ended, 5 * DAY), open, "announced anew");
        assert_eq!(states(&ended, 6 * DAY - 1), open, "announced, and a millisecond before it");
        assert_eq!(posted(), before, "what is announced moves nothing");
        let taken = "declined pending declined declined declined";
        assert_eq!(states(&ended, 6 * DAY), taken, "there, without any other event; locks {locks}");
        assert_eq!(posted(), before + 4);
        drop(session);
        Reader::open(folder).unwrap().verify().unwrap().unwrap();
        assert_eq!(books(folder), expected(&bench.catalog, &bench.inputs()), "made anew");
    }
}
