"""States, commissions and balances of an order, by docs/books.md: pure functions of its facts and of the catalog."""

import collections
import datetime
import zoneinfo

import pricing


class Share:
    """What one credited touch gets."""

    def __init__(self, partner, net, commission, codes):
        self.partner = partner
        self.net = net
        self.commission = commission
        self.codes = codes


class Values:
    """An order's lines, shares and prices by its base and the acts that hold."""

    def __init__(self, catalog, key, base, held):
        self.program, self.goal = key.split("/", 2)[:2]
        self.t = base["converted_at"]
        self.currency = base.get("currency") or catalog.program(self.program)["currency"]
        self.findings = []
        amend, give_back = (held[kind].body if kind in held else None for kind in ("amend", "return"))
        for act in (amend, give_back):
            if act is not None and act.get("currency", self.currency) != self.currency:
                self.findings.append("currency_differs")
        lines, items = pricing.amended(base.get("items", []), base["amount"], self.currency, amend)
        pricing.give_back(lines, items, self.currency, give_back, self.findings)
        self.amount = sum(line.amount for line in lines)
        self.kept = sum(line.kept for line in lines)
        self.margin, self.margin_unknown = pricing.margin(catalog.terms(self.program, self.t).get("margins", {}), lines)
        self.shares = self._shares(catalog, base, lines)

    def _shares(self, catalog, base, lines):
        credits = base["credits"][::-1]  # the oldest first
        weights = [credit["weight"] for credit in credits]
        parts = [pricing.split(line.kept, weights) for line in lines]
        shares = []
        for place, credit in enumerate(credits):
            own = [part[place] for part in parts]
            partner = credit["partner"]
            if partner is None:
                shares.append(Share(None, sum(own), 0, set()))
                continue
            segment = catalog.segment(self.program, partner, self.t)
            buyer = pricing.Buyer(
                self.goal, self.t, base.get("customer_type"), base.get("coupons", []), credit, segment,
                catalog.kind(partner),
            )
            rules = catalog.rules(self.program, partner, self.t)
            priced = pricing.price(rules, buyer, lines, own, weights, place, self.currency)
            shares.append(Share(partner, sum(own), *priced))
        return shares

    @property
    def commission(self):
        """What all shares earn."""
        return sum(share.commission for share in self.shares)

    def take_locked(self, lock):
        """What a lock says of its shares stands while exactly the acts hold that it names."""
        for share, locked in zip(self.shares, lock.get("shares", [])[::-1]):
            share.commission, share.codes = locked["commission"], set(locked.get("codes", []))

    def void(self):
        """Nothing is earned."""
        for share in self.shares:
            share.commission = 0
            share.codes.discard(506)


def lock_from(terms, program, t):
    """From when on an order of t may be locked, as far as its own time says."""
    days = terms.get("lock_month_end_plus")
    if days is None:
        return t + terms["lock_after_ms"]
    zone = zoneinfo.ZoneInfo(program["time_zone"])
    local = datetime.datetime.fromtimestamp(t // 1000, zone)
    year, month = (local.year + 1, 1) if local.month == 12 else (local.year, local.month + 1)
    day = datetime.date(year, month, 1) + datetime.timedelta(days)
    # Where midnight does not exist, the offset before the gap leads to the first moment behind it.
    midnight = datetime.datetime(day.year, day.month, day.day, tzinfo=zone)
    return int(midnight.timestamp()) * 1000


def lock_due(catalog, program, decision):
    """From when on an order may be locked."""
    terms = catalog.terms(program, decision["converted_at"])
    return max(
        lock_from(terms, catalog.program(program), decision["converted_at"]),
        decision["trace"]["received_at"] + terms["lateness_ms"],
    )


def state_before_lock(catalog, decision, values, held):
    """(state, code) of an order without lock."""
    verdict = held["validation"].body if "validation" in held else {"action": "reopen"}
    if verdict["action"] == "decline":
        return "declined", verdict.get("code", 701)
    if decision["winner"] is not None:
        due = lock_due(catalog, values.program, decision)
        ends = catalog.forfeits(values.program, decision["winner"])
        if any(values.t < end < due for end in ends):
            return "declined", 804
    if values.amount > 0 and values.kept == 0:
        return "declined", 702
    if any(507 in share.codes for share in values.shares):
        return "pending", 507
    usual = 703 if values.kept < values.amount else decision["code"]
    if verdict["action"] == "approve":
        return "approved", usual
    held_for = [code for code in decision["trace"].get("notes", []) if 600 <= code <= 699]
    if held_for:
        return "held", min(held_for)
    return "pending", 110 if decision["trace"]["trust"] == "page" else usual


def state_after_lock(lock, values, held):
    """(state, code) of an order with a lock; payments are looked at elsewhere."""
    if lock["state"] == "declined":
        return "declined", lock["code"]
    named = set(lock.get("acts", []))
    news = {kind: act for kind, act in held.items() if act.id not in named}
    declined = "validation" in news and news["validation"].body["action"] == "decline"
    if declined or (values.amount > 0 and values.kept == 0):
        return "reversed", 803
    locked = sum(share["commission"] for share in lock.get("shares", []))
    return "locked", 803 if news and values.commission < locked else lock["code"]


class Book:
    """One order as the book must have it."""

    def __init__(self, catalog, key, facts):
        held = facts.holding()
        self.key = key
        self.facts = facts
        self.values = values = Values(catalog, key, facts.lock or facts.decision, held)
        if facts.lock:
            if sorted(act.id for act in held.values()) == facts.lock.get("acts", []):
                values.take_locked(facts.lock)
            self.state, self.code = state_after_lock(facts.lock, values, held)
        else:
            self.state, self.code = state_before_lock(catalog, facts.decision, values, held)
        if self.state in ("declined", "reversed"):
            values.void()
        self.observed = catalog.observed(values.program, values.t)
        self.paid = collections.Counter()
        for payment in facts.payments.values():
            self.paid[payment["partner"]] += payment["amount"]
        self.partners = {}  # partner → [net, commission, codes]
        for share in values.shares:
            of = self.partners.setdefault(share.partner, [0, 0, set()])
            of[0] += share.net
            of[1] += share.commission
            of[2] |= share.codes
        if not values.shares:
            self.partners[None] = [values.kept, 0, set()]

    def lines(self):
        """Its lines of `sillage books`."""
        for partner, (net, commission, codes) in self.partners.items():
            codes = [self.code, *sorted(codes - {self.code})]
            yield "\t".join((
                self.values.program, self.key, partner or "-", self.values.currency, self.state_of(partner),
                str(net), str(commission), ",".join(map(str, codes)),
            ))

    def state_of(self, partner):
        """State of a partner's share."""
        return "paid" if self.state == "locked" and partner in self.paid else self.state

    def balances(self):
        """(account, micros) of its partners and its program."""
        if self.observed:
            return
        locked = collections.Counter()
        for share in (self.facts.lock or {}).get("shares", []):
            if share.get("partner") is not None:
                locked[share["partner"]] += share["commission"]
        for partner, (_, commission, _) in self.partners.items():
            if partner is None:
                continue
            due = commission
            if self.state in ("pending", "held"):
                own = {"pending": due}
            elif self.state == "approved":
                own = {"approved": due}
            elif self.state == "declined":
                own = {}
            elif partner in self.paid:
                open_ = due - self.paid[partner]
                own = {"payable": max(open_, 0), "clawback": min(open_, 0), "paid": self.paid[partner]}
            else:
                payable = max(locked[partner], due)
                own = {"payable": payable, "clawback": due - payable}
            for account, micros in own.items():
                yield f"{account}:{partner}", micros
            yield f"expense:{self.values.program}", -sum(own.values())
