//! What is read of records, and what becomes of those that cannot be read.

use super::*;
use crate::facts::Decided;

#[test]
fn what_cannot_be_read_is_parked_and_the_line_moves_on() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather::fair(1));
    let key = order("BX-1");
    let good = decision(&key, 1, 10_000_000, &[("lea", 1)]);
    let mut bad = record(&good);
    bad.payload = "{\"v\":9}".into();
    bench.log.append(Topic::Attributed, &bad);
    append(&bench.log, &good);
    // A conversion is for other stages, whatever is in it.
    let mut conversion = bad;
    conversion.kind = 16;
    bench.log.append(Topic::Conversions, &conversion);
    bench.drain(folder.path());
    assert_eq!(books(folder.path()).len(), 1);
    let parked = bench.log.records(Topic::Rejected);
    assert_eq!(parked.len(), 1);
    let text = String::from_utf8_lossy(&parked[0].payload).into_owned();
    assert!(text.contains("envelope version 9 is not known to this version"), "{text}");
}

#[test]
fn what_cannot_be_read_is_parked_whatever_crashes() {
    let key = order("BX-1");
    for (point, with_good) in CrashPoint::ALL.into_iter().flat_map(|p| [(p, false), (p, true)]) {
        for (nth, seed) in (0..4).flat_map(|nth| [(nth, 1), (nth, 2)]) {
            let folder = tempfile::tempdir().unwrap();
            let bench = Bench::new(Weather::fair(seed));
            let good = decision(&key, 1, 10_000_000, &[("lea", 1)]);
            let mut bad = record(&good);
            bad.payload = "{\"v\":9}".into();
            bench.drain(folder.path());
            if with_good {
                append(&bench.log, &good);
            }
            bench.log.append(Topic::Attributed, &bad);
            bench.log.append(Topic::Attributed, &record(&decision(&order("BX-2"), 1, 1, &[])));
            bench.log.crash_at(point, nth);
            bench.drain(folder.path());
            let parked = bench.log.records(Topic::Rejected);
            let ids: BTreeSet<_> = parked.iter().map(|record| record.id).collect();
            assert_eq!(ids.len(), 1, "{point:?} {nth} {seed} {with_good}");
            assert_eq!(books(folder.path()).len(), 1 + usize::from(with_good));
        }
    }
}

#[test]
fn a_decision_reads_the_short_way_as_the_long_way() {
    for seed in 0..50 {
        for envelope in lives(&mut Dice::new(seed)) {
            let Body::Decision(body) = &envelope.body else { continue };
            let Read::Fact(order, learned) = read(Topic::Attributed, &record(&envelope)) else {
                panic!("{envelope:?}");
            };
            let long = Decided::of(envelope.id, body);
            assert_eq!((&order, learned.source), (&body.order, envelope.id));
            assert_eq!(learned.fact, Fact::Decision(Box::new(long)));
        }
    }
}

#[test]
fn what_stands_behind_the_candidates_is_read_and_what_stands_in_them_is_not() {
    let of = |text: &str| {
        let envelope = decision(&order("BX-1"), 2, 10_000_000, &[("lea", 1)]);
        let mut record = record(&envelope);
        let json = String::from_utf8(record.payload.to_vec()).unwrap();
        let edited = json.replacen("\"candidates\":[]", text, 1);
        assert_eq!(edited == json, text == "\"candidates\":[]");
        record.payload = edited.into();
        match read(Topic::Attributed, &record) {
            Read::Fact(_, learned) => Ok(learned.fact),
            Read::Unreadable(why) => Err(why),
            _ => panic!("{text}"),
        }
    };
    let plain = of("\"candidates\":[]").unwrap();
    for list in [
        r#"[1,[],{}]"#,
        r#"[{"a":"]"},"}]}"]"#,
        r#"["\"],\"notes\":[609]","\\"]"#,
        r#"[{"candidates":["]"],"notes":[609]}]"#,
        r#"[[[["\\\"]}}}"]]],{"a":{"b":{"c":"\u005d"}}}]"#,
        " [ 1 ] ",
    ] {
        let (none, some) = (
            of(&format!("\"candidates\":{list}")).unwrap(),
            format!("\"notes\":[609],\"candidates\":{list}"),
        );
        assert_eq!(none, plain, "{list}");
        let behind = of(&format!("\"candidates\":{list},\"notes\":[609]")).unwrap();
        assert_eq!(behind, of(&some).unwrap(), "{list}");
        assert_ne!(behind, plain, "{list}");
    }
    for cut in [
        "\"candidates\":[",
        "\"candidates\":[\"",
        "\"candidates\":[\"\\",
        "\"candidates\":[{]",
        "\"candidates\":[}]",
    ] {
        of(cut).unwrap_err();
    }
}

#[test]
fn a_test_order_is_not_booked() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(Weather::fair(1));
    let key: OrderKey = "shop/sale/test/o:BX-1".parse().unwrap();
    append(&bench.log, &decision(&key, 1, 10_000_000, &[("lea", 1)]));
    bench.drain(folder.path());
    assert_eq!(books(folder.path()), Vec::<String>::new());
    assert_eq!(bench.log.records(Topic::Transfers), []);
}
