"""Pay without an order, by docs/books.md: what days earn by the touches and the catalog, and what was paid of them."""

import collections
import datetime
import zoneinfo

import pricing

MINUTE_MS = 60_000
CORRECTED_MS = 60 * 86_400_000
# No touch, or one that led nowhere.
NEVER = {"test", "head", "link_disabled", "link_expired", "program_paused", "partner_ended"}
AHEAD = {"prefetch", "prerender"}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
PURPOSES = {"per_click": "click", "per_thousand_impressions": "impression", "per_period": "fee"}


class Touches:
    """The touches of a folder, each once, and what is said of them."""

    def __init__(self, envelopes):
        self.all, self.judged, self.activated = {}, set(), set()
        for event, envelope in envelopes:
            kind, body = envelope["type"], envelope["body"]
            if kind in ("click", "impression"):
                self.all.setdefault(event, envelope)
            elif kind == "flag":
                self.judged.add(body["touch"])
            elif kind == "activation":
                self.activated.add(body["click"]["id"])

    def counts(self):
        """(program, kind, partner, link, channel, minute, flags) → how many touches are valid but for the terms."""
        counts = collections.Counter()
        for touch in self.all.values():
            body, flags = touch["body"], set(touch["body"].get("flags", []))
            if touch.get("test") or body.get("partner") is None or flags & NEVER or touch["id"] in self.judged:
                continue
            if flags & AHEAD and touch["id"] not in self.activated:
                continue
            minute = touch["occurred_at"] // MINUTE_MS * MINUTE_MS
            place = (touch["program"], touch["type"], body["partner"], body["link"], body.get("channel"))
            counts[(*place, minute, frozenset(flags - AHEAD))] += 1
        return counts


def day_of(zone, t):
    """The day that an instant lies in."""
    return (EPOCH + datetime.timedelta(milliseconds=t)).astimezone(zone).date()


def start_of(zone, day):
    """The first instant of a day, in milliseconds."""
    begin = datetime.datetime(day.year, day.month, day.day, tzinfo=zone)
    utc = begin.astimezone(datetime.timezone.utc)
    if utc.astimezone(zone).date() < day:
        raise SystemExit(f"{zone} has no midnight on {day}")
    return (utc - EPOCH) // datetime.timedelta(milliseconds=1)


def rule_for(catalog, program, partner, t, word, period=None, touched=None):
    """(terms version, place in it, rule) of the first rule that pays for this; none: nothing does."""
    segment, kind = catalog.segment(program, partner, t), catalog.kind(partner)
    link, channel = touched or (None, None)
    seen = (("partner", partner), ("segment", segment), ("partner_kind", kind), ("link", link), ("channel", channel))
    for version, rules in catalog.ranked(program, partner, t):
        for place, rule in enumerate(rules, 1):
            pays, when = rule["pays"], rule.get("when", {})
            if not isinstance(pays, dict) or word not in pays:
                continue
            if period is not None and pays[word]["period"] != period:
                continue
            if any(when.get(name) and value not in when[name] for name, value in seen):
                continue
            if when.get("from", t) <= t < when.get("until", t + 1):
                return version, place, rule
    return None


def amount_of(rule, count):
    """What so many touches or periods come to."""
    ((word, number),) = rule["pays"].items()
    if word == "per_click":
        earned = count * number
    elif word == "per_thousand_impressions":
        earned = count * number // 1000
    else:
        earned = count * number["amount"]
    return min(earned, pricing.AMOUNT_MAX)


class Day:
    """What one rule earns a partner on one day."""

    def __init__(self, key, rule):
        self.program, self.partner, self.terms, self.place, self.day = key
        self.currency = rule["currency"]
        self.purpose = PURPOSES[next(iter(rule["pays"]))]
        self.rule = rule
        self.count = 0
        self.payments = {}

    @property
    def earned(self):
        return amount_of(self.rule, self.count)

    @property
    def paid(self):
        return sum(payment["amount"] for payment in self.payments.values())

    @property
    def key(self):
        """The key of its records."""
        return f"{self.program}/day:{self.day}/{self.terms}/{self.place}/{self.partner}"

    def lines(self):
        """Its line of `sillage books`, if there is one."""
        if self.earned or self.payments:
            state = "paid" if self.payments else "locked"
            place = f"day:{self.day}/{self.terms}/{self.place}"
            earned = str(self.earned)
            yield "\t".join((self.program, place, self.partner, self.currency, state, "0", earned, ""))

    def balances(self):
        """(account, micros) of its partner and its program."""
        left = self.earned - self.paid
        yield f"payable:{self.partner}", max(left, 0)
        yield f"clawback:{self.partner}", min(left, 0)
        yield f"paid:{self.partner}", self.paid
        yield f"expense:{self.program}", -self.earned


def key_of(subject):
    """The key of a day as records write it, as ours."""
    return tuple(subject[name] for name in ("program", "partner", "terms", "rank", "day"))


def compute(catalog, touches, payments, posted_at):
    """Every day of the book, as it is at `posted_at`: by key. `payments`: (event, body) of days on `orders.closed`."""
    days = {}

    def add(program, partner, t, found, day, count):
        if found is None:
            return
        terms, place, rule = found
        key = (program, partner, terms, place, day.isoformat())
        days.setdefault(key, Day(key, rule)).count += count

    zones = {name: zoneinfo.ZoneInfo(catalog.program(name).get("time_zone", "UTC")) for name in catalog.programs()}

    def is_due(program, day):
        start = start_of(zones[program], day)
        over = start_of(zones[program], day + datetime.timedelta(days=1))
        return over + catalog.terms(program, start)["lateness_ms"] <= posted_at

    for (program, kind, partner, link, channel, minute, flags), count in touches.counts().items():
        day = day_of(zones[program], minute)
        excluded = catalog.terms(program, minute).get("excluded_flags", catalog.DEFAULT_EXCLUDED)
        if flags & set(excluded) or not is_due(program, day) or not catalog.is_paid(program, partner, minute):
            continue
        word = "per_click" if kind == "click" else "per_thousand_impressions"
        found = rule_for(catalog, program, partner, minute, word, touched=(link, channel))
        add(program, partner, minute, found, day, count)
    for program, zone in zones.items():
        known, until = catalog.known("program", program)
        day = day_of(zone, known)
        while is_due(program, day):
            t = start_of(zone, day)
            begun = ["day", *["week"] * (day.weekday() == 0), *["month"] * (day.day == 1)]
            for partner in catalog.members(program):
                since, gone = catalog.known("partner", partner)
                if max(known, since) <= t < min(until, gone) and catalog.is_paid(program, partner, t):
                    for period in begun:
                        found = rule_for(catalog, program, partner, t, "per_period", period)
                        add(program, partner, t, found, day, 1)
            day += datetime.timedelta(days=1)
    for event, body in payments:
        key = key_of(body["day"])  # all that it was paid for may have been taken back
        days.setdefault(key, Day(key, catalog.rule(*key[2:4]))).payments.setdefault(event, body)
    return days
