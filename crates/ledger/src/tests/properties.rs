//! What holds for every order, whatever happens to it and in whichever order it is learned.

use std::collections::BTreeMap;

use event::body::{Account, BookedOrder, OrderState};
use event::{Currency, EventId, Micros, Millis};
use proptest::prelude::*;

use crate::build::{START, World, key};
use crate::{Booked, Cause, Fact, Facts, Outcome, balances, decide, posting};

const CATALOG: &str = "rule none category=gift; rule 2.00 category=fee; rule 9% category=shoes cap=1.00; \
    rule 8% customer=returning in=social; rule 7.77% in=A; rule 5% currency=USD; rule 4%; member B social; \
    from @1d; rule 3% cap=1.00; rule 1% currency=JPY; forfeit B @4d; auto off C; \
    margins { default = \"35\", shoes = \"42.5\" }; lock 5d; lateness 1d";

fn sales() -> impl Strategy<Value = String> {
    let to = prop_oneof![
        4 => Just("A"), 1 => Just("B"), 1 => Just("own"), 1 => Just("-"), 1 => Just("A,B,A#2"),
        1 => Just("A:3,own:1"), 1 => Just("B:1,C:5,A:7")
    ];
    let item = (
        prop_oneof![Just("gift"), Just("fee"), Just("shoes"), Just("hats"), Just("-")],
        0_u32..4,
        0_u64..900_000_000,
    );
    let items = prop::collection::vec(item, 0..4);
    let more = prop_oneof![
        5 => Just(""), 1 => Just(" page"), 1 => Just(" note=609"), 1 => Just(" returning"), 1 => Just(" USD"),
        1 => Just(" JPY")
    ];
    (0_u64..2_000_000_000, to, items, more, (1_u8..5, 0_u8..3)).prop_map(
        |(amount, to, items, more, (v, day))| {
            let items = items.into_iter().enumerate().map(|(place, (category, qty, amount))| {
                format!(" item={category}/S{}*{qty}:{}", place % 2, decimal(amount))
            });
            format!(
                "sale {} to={to}{more} v={v} @{day}d{}",
                decimal(amount),
                items.collect::<String>()
            )
        },
    )
}

fn decimal(micros: u64) -> String {
    Micros(i64::try_from(micros).unwrap()).decimal(6)
}

fn acts() -> impl Strategy<Value = String> {
    let what = prop_oneof![
        3 => Just("approve".to_owned()),
        3 => prop_oneof![Just("701"), Just("705")].prop_map(|code| format!("decline {code}")),
        1 => Just("reopen".to_owned()),
        2 => (0_u64..2_500_000_000).prop_map(|amount| format!("return {}", decimal(amount))),
        3 => prop::collection::vec(entry(), 1..4).prop_map(|entries| format!("return {}", entries.join(" "))),
        2 => (0_u64..2_000_000_000).prop_map(|amount| format!("amend {}", decimal(amount))),
        1 => (0_u64..900_000_000).prop_map(|amount| format!("amend item=shoes/S0*2:{}", decimal(amount))),
        1 => Just("return USD 1.00".to_owned()),
    ];
    (what, 0_u32..9, 0_u32..3, prop_oneof![3 => Just(""), 1 => Just(" id=X"), 1 => Just(" id=Y")])
        .prop_map(|(what, day, rev, id)| format!("{what} @{day}d rev={rev}{id}"))
}

fn entry() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u32..5).prop_map(|line| line.to_string()),
        (1_u32..4, 0_u32..4).prop_map(|(line, qty)| format!("{line}*{qty}")),
        (1_u32..4, 0_u64..500_000_000)
            .prop_map(|(line, amount)| format!("{line}={}", decimal(amount))),
        (0_u32..3, 1_u32..6).prop_map(|(sku, qty)| format!("S{sku}*{qty}")),
    ]
}

fn clauses() -> impl Strategy<Value = Vec<String>> {
    let clause = prop_oneof![
        3 => sales(), 5 => acts(), 2 => Just("locked @20d".to_owned()), 1 => Just("pay A".to_owned()),
        1 => Just("pay B".to_owned())
    ];
    (sales(), prop::collection::vec(clause, 0..9))
        .prop_map(|(first, rest)| std::iter::once(first).chain(rest).collect())
}

fn script(clauses: &[String]) -> String {
    format!("{CATALOG}; {}", clauses.join("; "))
}

fn booked(world: &World, facts: &Facts) -> Option<Box<Booked>> {
    match decide(&key(), facts, &world.catalog, Millis(i64::MAX)) {
        Outcome::Booked(booked) => Some(booked),
        Outcome::Unknown => None,
        Outcome::Waiting(miss) => panic!("{miss:?}"),
    }
}

type Balances = BTreeMap<(Account, Currency), i128>;

fn balances_of(order: &BookedOrder) -> Balances {
    let own = balances(&key().program, order).into_iter();
    own.map(|(account, currency, amount)| ((account, currency), i128::from(amount.0))).collect()
}

/// Posts each of these states after the other; the balances in the end and every id.
fn post<'a>(path: impl IntoIterator<Item = &'a BookedOrder>) -> (Balances, Vec<EventId>) {
    let mut before: Option<&BookedOrder> = None;
    let (mut balances, mut ids) = (Balances::new(), Vec::new());
    for (after, number) in path.into_iter().zip(1..) {
        let source = EventId::from_bytes([7; 16]);
        let cause = Cause { source, actor: None, changed_at: START };
        let posted = posting(&key(), before, after, cause, number);
        for transfer in posted.iter().flat_map(|(_, posting)| &posting.transfers) {
            let amount = i128::from(transfer.amount.0);
            assert!(amount > 0);
            *balances.entry((transfer.debit.clone(), transfer.currency)).or_default() -= amount;
            *balances.entry((transfer.credit.clone(), transfer.currency)).or_default() += amount;
        }
        ids.extend(posted.iter().flat_map(|(id, posting)| {
            std::iter::once(*id).chain(posting.transfers.iter().map(|transfer| transfer.id))
        }));
        before = Some(after);
    }
    balances.retain(|_, amount| *amount != 0);
    (balances, ids)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Any order, any repetition: one outcome.
    #[test]
    fn the_set_of_facts_alone_decides(
        clauses in clauses(), order in prop::collection::vec(any::<prop::sample::Index>(), 24)
    ) {
        let (world, _) = World::run(&script(&clauses));
        let known = booked(&world, &world.facts);
        let mut facts = Facts::default();
        let mut left: Vec<&Fact> = world.all.iter().chain(&world.all).collect();
        for index in order {
            if !left.is_empty() {
                let fact = left.remove(index.index(left.len()));
                facts.join(fact.clone());
            }
        }
        left.into_iter().for_each(|fact| {
            facts.join(fact.clone());
        });
        prop_assert_eq!(booked(&world, &facts), known);
    }

    /// Whatever states a book saw in between, transfers lead to the balances of the last one.
    #[test]
    fn transfers_lead_to_the_balances_of_the_last_state(
        clauses in clauses(), seen in prop::collection::vec(any::<bool>(), 12)
    ) {
        let (world, _) = World::run(&script(&clauses));
        let mut facts = Facts::default();
        let mut states = Vec::new();
        for fact in &world.all {
            facts.join(fact.clone());
            states.push(booked(&world, &facts).unwrap().order);
        }
        let last = states.last().unwrap();
        let path = states.iter().zip(seen.iter().chain(std::iter::repeat(&true)));
        let path = path.filter(|(_, seen)| **seen).map(|(state, _)| state);
        let (balances, ids) = post(path.chain([last]));
        prop_assert_eq!(&balances, &balances_of(last));
        prop_assert_eq!(balances.values().sum::<i128>(), 0);
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), ids.len(), "an id names one change");
        prop_assert_eq!(post([last]).0, balances, "and at once as step by step");
    }

    /// States that no order goes through one after the other: transfers still lead from one to the next.
    #[test]
    fn transfers_lead_from_any_state_to_any_other(a in clauses(), b in clauses()) {
        let run = |clauses: &[String]| World::run(&script(clauses)).0.book.unwrap();
        let (a, b) = (run(&a), run(&b));
        // A lock names the currency for good; only before it a decision may bring another.
        let locked = |order: &BookedOrder| order.shares.iter().any(|share| share.locked.is_some());
        prop_assume!(a.currency == b.currency || !(locked(&a) && locked(&b)));
        prop_assert_eq!(post([&a, &b]).0, balances_of(&b));
    }

    #[test]
    fn shares_sum_to_what_is_kept_and_earn_no_more_than_rules_pay(clauses in clauses()) {
        let (world, _) = World::run(&script(&clauses));
        let booked = booked(&world, &world.facts).unwrap();
        let order = &booked.order;
        prop_assert!((0..=order.amount.0).contains(&order.returned.0));
        let kept = order.amount.0 - order.returned.0;
        prop_assert!(order.margin.0 >= 0 && order.margin.0 + order.margin_unknown.0 <= kept);
        if !order.shares.is_empty() {
            prop_assert_eq!(order.shares.iter().map(|share| share.net.0).sum::<i64>(), kept);
        }
        for share in &order.shares {
            prop_assert!(share.net.0 >= 0 && share.commission.0 >= 0);
            prop_assert_eq!(share.rules.iter().map(|rule| rule.commission.0).sum::<i64>(), share.commission.0);
            let most = share.rules.iter().map(|rule| match &*rule.pays {
                "nothing" => 0,
                "2.00 EUR per order" => 2_000_000,
                "9 %" => (rule.net.0 * 9 / 100).min(1_000_000),
                "3 %" => (rule.net.0 * 3 / 100).min(1_000_000),
                percent => {
                    // Read as an amount, a percentage is in millionths of a hundredth.
                    let percent = crate::build::money(percent.trim_end_matches(" %")).0;
                    i64::try_from(i128::from(rule.net.0) * i128::from(percent) / 100_000_000).unwrap()
                }
            });
            prop_assert!(share.commission.0 <= most.sum::<i64>());
            prop_assert!(share.partner.is_some() || share.commission.0 == 0 && share.codes.is_empty());
            let nothing = matches!(order.state, OrderState::Declined | OrderState::Reversed);
            prop_assert!(!nothing || share.commission.0 == 0);
        }
    }
}
