CREATE TABLE IF NOT EXISTS name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS cursor (
  topic TEXT NOT NULL, part INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, part)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS zone (program INTEGER PRIMARY KEY, zone TEXT NOT NULL);

-- Which sequences of a lane were counted, 32,768 a row.
CREATE TABLE IF NOT EXISTS seen (
  lane INTEGER NOT NULL, block INTEGER NOT NULL, newest INTEGER NOT NULL, bits BLOB NOT NULL,
  PRIMARY KEY (lane, block)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen_other (id BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
-- Clicks fetched ahead of a navigation, until it is known to have happened; or that it has, before the click is known.
CREATE TABLE IF NOT EXISTS ahead (
  touch BLOB PRIMARY KEY, activated INTEGER NOT NULL, at INTEGER NOT NULL, place TEXT
) WITHOUT ROWID;

-- Touches of programs that the catalog does not name yet.
CREATE TABLE IF NOT EXISTS waiting (
  program TEXT NOT NULL, touch BLOB NOT NULL, at INTEGER NOT NULL, kind INTEGER NOT NULL, test INTEGER NOT NULL,
  body TEXT NOT NULL, PRIMARY KEY (program, touch)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS touch_slot (
  program INTEGER NOT NULL, slot INTEGER NOT NULL, partner INTEGER NOT NULL, link INTEGER NOT NULL,
  channel INTEGER NOT NULL, kind INTEGER NOT NULL, reason INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (program, slot, partner, link, channel, kind, reason)
) WITHOUT ROWID;
-- Touches by cut, span of days and partner. cut 0: all; 1: by link; 2: by channel; 11 to 20: by sub id 1 to 10. A span is
-- `grain` days long and has the number of its first day divided by that.
CREATE TABLE IF NOT EXISTS touch_sum (
  program INTEGER NOT NULL, cut INTEGER NOT NULL, grain INTEGER NOT NULL, at INTEGER NOT NULL, partner INTEGER NOT NULL,
  value NOT NULL, kind INTEGER NOT NULL, reason INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (program, cut, grain, at, partner, value, kind, reason)
) WITHOUT ROWID;
-- value: "=" and the text, or "*" for those beyond the limit.
CREATE TABLE IF NOT EXISTS sub_slot (
  program INTEGER NOT NULL, number INTEGER NOT NULL, partner INTEGER NOT NULL, day INTEGER NOT NULL,
  value TEXT NOT NULL, slot INTEGER NOT NULL, kind INTEGER NOT NULL, reason INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (program, number, partner, day, value, slot, kind, reason)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sub_kept (
  program INTEGER NOT NULL, number INTEGER NOT NULL, partner INTEGER NOT NULL, day INTEGER NOT NULL,
  hash INTEGER NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (program, number, partner, day, hash, value)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sub_count (
  program INTEGER NOT NULL, number INTEGER NOT NULL, partner INTEGER NOT NULL, day INTEGER NOT NULL,
  n INTEGER NOT NULL, PRIMARY KEY (program, number, partner, day)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS orders (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, program INTEGER NOT NULL, goal TEXT NOT NULL,
  number INTEGER NOT NULL, order_id TEXT, converted_at INTEGER NOT NULL, currency TEXT NOT NULL,
  amount INTEGER NOT NULL, returned INTEGER NOT NULL, code INTEGER NOT NULL, note TEXT, state INTEGER NOT NULL,
  customer INTEGER NOT NULL, lock_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,
  observed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS orders_by_time ON orders (program, converted_at);
CREATE TABLE IF NOT EXISTS share (
  id INTEGER PRIMARY KEY, ord INTEGER NOT NULL, program INTEGER NOT NULL, partner INTEGER NOT NULL,
  touch BLOB NOT NULL, kind INTEGER NOT NULL, touched_at INTEGER NOT NULL, link INTEGER NOT NULL,
  channel INTEGER NOT NULL, credit INTEGER NOT NULL, net INTEGER NOT NULL, returned INTEGER NOT NULL,
  margin INTEGER NOT NULL, margin_unknown INTEGER NOT NULL, commission INTEGER NOT NULL, currency TEXT NOT NULL,
  state INTEGER NOT NULL, codes TEXT NOT NULL, statement TEXT, subs TEXT NOT NULL, pcid TEXT,
  gone INTEGER NOT NULL, shown INTEGER NOT NULL, seq INTEGER NOT NULL, changed_at INTEGER NOT NULL,
  observed INTEGER NOT NULL, UNIQUE (ord, touch)
);
-- What the feed tells, in its order.
CREATE INDEX IF NOT EXISTS share_by_change ON share (program, partner, changed_at, seq) WHERE observed = 0;
CREATE TABLE IF NOT EXISTS feed (one INTEGER PRIMARY KEY, seq INTEGER NOT NULL, changed_at INTEGER NOT NULL);
INSERT OR IGNORE INTO feed VALUES (1, 0, 0);

-- Orders by the same, and 3: by time from the click. basis 0: everything on its own day; 1: an order on the day of its
-- credited touch.
CREATE TABLE IF NOT EXISTS order_sum (
  program INTEGER NOT NULL, goal INTEGER NOT NULL, basis INTEGER NOT NULL, cut INTEGER NOT NULL, grain INTEGER NOT NULL,
  at INTEGER NOT NULL, partner INTEGER NOT NULL, value NOT NULL, sums BLOB NOT NULL,
  PRIMARY KEY (program, goal, basis, cut, grain, at, partner, value)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS day_pay (
  subject TEXT NOT NULL, number INTEGER NOT NULL, program INTEGER NOT NULL, partner INTEGER NOT NULL,
  day INTEGER NOT NULL, currency TEXT NOT NULL, amount INTEGER NOT NULL,
  PRIMARY KEY (subject, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS day_pay_by_day ON day_pay (program, day);
-- What all postings of one rule on one day come to, as the feed tells it. paid: nothing yet, if NULL.
CREATE TABLE IF NOT EXISTS day_row (
  id INTEGER PRIMARY KEY, subject TEXT NOT NULL UNIQUE, program INTEGER NOT NULL, partner INTEGER NOT NULL,
  day INTEGER NOT NULL, purpose TEXT, currency TEXT NOT NULL, amount INTEGER NOT NULL, paid INTEGER,
  changes INTEGER NOT NULL, statement TEXT, number INTEGER NOT NULL, seq INTEGER NOT NULL, changed_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS day_row_by_change ON day_row (program, partner, changed_at, seq) WHERE purpose IS NOT NULL;

CREATE TABLE IF NOT EXISTS journey (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, program INTEGER NOT NULL, goal TEXT NOT NULL,
  version BLOB NOT NULL, converted_at INTEGER NOT NULL, winner_at INTEGER, reports INTEGER NOT NULL
);
-- roles: 1 introducer, 2 in between, 4 closer; 0: no eligible touch.
CREATE TABLE IF NOT EXISTS journey_partner (
  journey INTEGER NOT NULL, partner INTEGER NOT NULL, code INTEGER NOT NULL, touched_at INTEGER NOT NULL,
  roles INTEGER NOT NULL, credited INTEGER NOT NULL, PRIMARY KEY (journey, partner)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journey_sum (
  program INTEGER NOT NULL, goal INTEGER NOT NULL, basis INTEGER NOT NULL, grain INTEGER NOT NULL, at INTEGER NOT NULL,
  partner INTEGER NOT NULL, orders INTEGER NOT NULL, uncredited INTEGER NOT NULL, introducer INTEGER NOT NULL,
  middle INTEGER NOT NULL, closer INTEGER NOT NULL, reports INTEGER NOT NULL,
  PRIMARY KEY (program, goal, basis, grain, at, partner)
) WITHOUT ROWID;
