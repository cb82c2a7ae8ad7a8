//! Orders and what partners get of them: of an order's postings the one with the highest number holds.

use event::body::posting::{BookedOrder, Share, Subject};
use event::body::{CustomerType, OrderState, Posting};
use event::split::split;
use event::{Code, Micros, Millis, OrderKey};
use rusqlite::{Error, OptionalExtension as _, Row, params};
use serde::Serialize;

use super::OWN;
use super::touches::kind_number;
use super::write::{Feed, Writer};

/// A whole credit: shares of an order sum to it.
pub(crate) const CREDIT: i64 = 1_000_000;

/// The number of a state.
pub(crate) fn state_number(state: OrderState) -> i64 {
    let place = OrderState::ALL.iter().position(|known| *known == state);
    place.and_then(|place| i64::try_from(place).ok()).unwrap_or(0)
}

/// The state with this number.
pub(crate) fn state_of(number: i64) -> OrderState {
    let place = usize::try_from(number).ok();
    place.and_then(|place| OrderState::ALL.get(place)).copied().unwrap_or(OrderState::Pending)
}

const fn customer_number(customer: Option<CustomerType>) -> i64 {
    match customer {
        None => 0,
        Some(CustomerType::New) => 1,
        Some(CustomerType::Returning) => 2,
    }
}

/// The parts of an order's values that a share has.
struct Parts {
    credit: i64,
    returned: i64,
    margin: i64,
    margin_unknown: i64,
}

/// What a partner sees of a share: if it changes, the row is told again.
#[derive(Serialize)]
struct Shown<'a> {
    order: (Millis, Option<CustomerType>, Code, Option<&'a str>, Micros, Micros, bool),
    share: (Micros, Micros, &'a str, OrderState, &'a [Code], Option<&'a str>, Millis),
    what: (&'a str, &'a str, Option<&'a str>),
}

impl Writer<'_> {
    pub(super) fn posting(&mut self, posting: &Posting) -> Result<(), Error> {
        match (&posting.subject, &posting.booked) {
            (Subject::Day(day), _) => self.day_pay(day, posting),
            (Subject::Order(key), Some(booked)) if !key.test => self.order(posting, key, booked),
            (Subject::Order(_), _) => Ok(()),
        }
    }

    fn order(
        &mut self,
        posting: &Posting,
        key: &OrderKey,
        booked: &BookedOrder,
    ) -> Result<(), Error> {
        let (program, zone) = self.zone(key.program.as_str())?;
        let text = key.to_string();
        let number = i64::try_from(posting.number).unwrap_or(i64::MAX);
        let find = "SELECT id, number FROM orders WHERE key = ?1";
        let known: Option<(i64, i64)> = self
            .db
            .prepare_cached(find)?
            .query_row([&text], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((id, held)) = known
            && held >= number
        {
            return if held > number { self.once_shared((id, program), booked) } else { Ok(()) };
        }
        let customer = customer_number(booked.customer_type);
        let id = match known {
            Some((id, _)) => {
                let held = self.held(id)?;
                self.add_order_days(&held, &zone, -1)?;
                id
            }
            None => {
                let sql = "INSERT INTO orders (key, program, goal, number, converted_at, currency, amount, returned, \
                           code, state, customer, lock_at, changed_at) \
                           VALUES (?1, ?2, ?3, 0, 0, '', 0, 0, 0, 0, 0, 0, 0)";
                self.db.prepare_cached(sql)?.insert(params![text, program, key.goal.as_str()])?
            }
        };
        let sql = "UPDATE orders SET number = ?2, order_id = ?3, converted_at = ?4, currency = ?5, amount = ?6, \
                   returned = ?7, code = ?8, note = ?9, state = ?10, customer = ?11, lock_at = ?12, changed_at = ?13, observed = ?14 \
                   WHERE id = ?1";
        self.db.prepare_cached(sql)?.execute(params![
            id,
            number,
            booked.order_id,
            booked.converted_at.0,
            booked.currency.as_str(),
            booked.amount.0,
            booked.returned.0,
            booked.code.number(),
            booked.note,
            state_number(booked.state),
            customer,
            booked.lock_at.0,
            posting.changed_at.0,
            booked.observed,
        ])?;
        self.shares((id, program), posting, booked)?;
        let held = self.held(id)?;
        self.add_order_days(&held, &zone, 1)
    }

    /// An earlier posting that comes late tells only who had a share once.
    fn once_shared(&mut self, of: (i64, i64), booked: &BookedOrder) -> Result<(), Error> {
        let changed_at: i64 = {
            let mut select =
                self.db.prepare_cached("SELECT changed_at FROM orders WHERE id = ?1")?;
            select.query_row([of.0], |row| row.get(0))?
        };
        for share in booked.shares.iter().filter(|share| share.partner.is_some()) {
            // One that is known stays as it is, unless it is gone and nobody could tell it yet.
            let known =
                "SELECT NOT gone OR NOT observed OR ?3 FROM share WHERE ord = ?1 AND touch = ?2";
            let key = params![of.0, &share.touch.as_bytes()[..], booked.observed];
            let known = self.db.prepare_cached(known)?.query_row(key, |row| row.get(0));
            if known.optional()? != Some(true) {
                let feed = self.next_in_feed(changed_at)?;
                self.put_share(of, (share, booked.observed), None, (0, feed))?;
            }
        }
        Ok(())
    }

    fn shares(
        &mut self,
        of: (i64, i64),
        posting: &Posting,
        booked: &BookedOrder,
    ) -> Result<(), Error> {
        let known: Vec<(Vec<u8>, i64, Feed, bool)> = {
            let sql = "SELECT touch, shown, seq, changed_at, gone FROM share WHERE ord = ?1";
            let mut select = self.db.prepare_cached(sql)?;
            let row = |row: &Row<'_>| {
                let feed = Feed { seq: row.get(2)?, changed_at: row.get(3)? };
                Ok((row.get(0)?, row.get(1)?, feed, row.get(4)?))
            };
            select.query_map([of.0], row)?.collect::<Result<_, _>>()?
        };
        for (share, parts) in booked.shares.iter().zip(parts(booked)) {
            let touch = share.touch.as_bytes();
            let shown = shown(booked, share);
            let before = known.iter().find(|(id, ..)| id[..] == touch[..]);
            let feed = match before {
                Some((_, as_before, feed, false)) if *as_before == shown => *feed,
                _ => self.next_in_feed(posting.changed_at.0)?,
            };
            self.put_share(of, (share, booked.observed), Some(parts), (shown, feed))?;
        }
        for (touch, _, _, gone) in &known {
            let stays = booked.shares.iter().any(|share| share.touch.as_bytes()[..] == touch[..]);
            if !stays && !gone {
                let feed = self.next_in_feed(posting.changed_at.0)?;
                let sql = "UPDATE share SET gone = 1, credit = 0, net = 0, returned = 0, margin = 0, \
                           margin_unknown = 0, commission = 0, codes = '', statement = NULL, seq = ?3, changed_at = ?4 \
                           WHERE ord = ?1 AND touch = ?2";
                let key = params![of.0, touch, feed.seq, feed.changed_at];
                self.db.prepare_cached(sql)?.execute(key)?;
            }
        }
        Ok(())
    }

    /// Writes a share; without parts, as one that somebody had once.
    fn put_share(
        &mut self,
        (order, program): (i64, i64),
        (share, observed): (&Share, bool),
        parts: Option<Parts>,
        (shown, feed): (i64, Feed),
    ) -> Result<(), Error> {
        let partner = self.name(share.partner.as_ref().map_or(OWN, |name| name.as_str()))?;
        let link = self.name(share.link.as_str())?;
        let channel = self.name(share.channel.as_ref().map_or("", |name| name.as_str()))?;
        let subs = serde_json::to_string(&share.dimensions.subs).unwrap_or_default();
        let codes: Vec<String> = share.codes.iter().map(|code| code.number().to_string()).collect();
        let gone = parts.is_none();
        let money = |amount: Micros| if gone { 0 } else { amount.0 };
        let Parts { credit, returned, margin, margin_unknown } =
            parts.unwrap_or(Parts { credit: 0, returned: 0, margin: 0, margin_unknown: 0 });
        let sql = "INSERT OR REPLACE INTO share (ord, program, partner, touch, kind, touched_at, link, channel, credit, \
                   net, returned, margin, margin_unknown, commission, currency, state, codes, statement, subs, pcid, \
                   gone, shown, seq, changed_at, observed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, \
                   ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)";
        let row = params![
            order,
            program,
            partner,
            &share.touch.as_bytes()[..],
            kind_number(share.kind),
            share.touched_at.0,
            link,
            channel,
            credit,
            money(share.net),
            returned,
            margin,
            margin_unknown,
            money(share.commission),
            share.currency.as_str(),
            state_number(share.state),
            if gone { String::new() } else { codes.join(",") },
            share.statement,
            subs,
            share.dimensions.pcid,
            gone,
            shown,
            feed.seq,
            feed.changed_at,
            observed,
        ];
        self.db.prepare_cached(sql)?.execute(row).map(drop)
    }

    /// The next place in the feed: its times never go back, so that whoever read up to a place misses nothing.
    pub(super) fn next_in_feed(&mut self, changed_at: i64) -> Result<Feed, Error> {
        let held = match self.feed {
            Some(feed) => feed,
            None => {
                let mut select = self.db.prepare_cached("SELECT seq, changed_at FROM feed")?;
                select
                    .query_row([], |row| Ok(Feed { seq: row.get(0)?, changed_at: row.get(1)? }))?
            }
        };
        let next = Feed { seq: held.seq + 1, changed_at: held.changed_at.max(changed_at) };
        self.feed = Some(next);
        Ok(next)
    }
}

/// The parts that the shares have of what the order knows only as a whole: by their net amounts; where nothing is left of
/// any, in equal parts.
fn parts(booked: &BookedOrder) -> Vec<Parts> {
    let nets = booked.shares.iter().map(|share| u64::try_from(share.net.0).unwrap_or(0));
    let mut weights: Vec<u64> = nets.collect();
    if weights.iter().all(|weight| *weight == 0) {
        weights.fill(1);
    }
    let of = |amount: i64| split(Micros(amount), &weights).into_iter();
    let whole = of(CREDIT).zip(of(booked.returned.0));
    let margins = of(booked.margin.0).zip(of(booked.margin_unknown.0));
    whole
        .zip(margins)
        .map(|((credit, returned), (margin, unknown))| Parts {
            credit: credit.0,
            returned: returned.0,
            margin: margin.0,
            margin_unknown: unknown.0,
        })
        .collect()
}

fn shown(booked: &BookedOrder, share: &Share) -> i64 {
    let BookedOrder { converted_at, customer_type, code, note, amount, returned, observed, .. } =
        booked;
    let shown = Shown {
        order: (
            *converted_at,
            *customer_type,
            *code,
            note.as_deref(),
            *amount,
            *returned,
            *observed,
        ),
        share: (
            share.net,
            share.commission,
            share.currency.as_str(),
            share.state,
            &share.codes,
            share.statement.as_deref(),
            share.touched_at,
        ),
        what: (
            share.link.as_str(),
            &serde_json::to_string(&share.dimensions.subs).unwrap_or_default(),
            share.dimensions.pcid.as_deref(),
        ),
    };
    super::subs::hash_of(&serde_json::to_string(&shown).unwrap_or_default())
}
