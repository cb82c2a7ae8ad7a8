"""Worked examples of docs/books.md, each rule on both sides of its boundary, computed by hand."""

import contextlib
import datetime
import io
import json
import os
import struct
import tempfile
import unittest
import uuid
from unittest import mock

import booked
import books
import segments
from booked import Book
from catalog import Catalog, at
from facts import Act, Facts
from pricing import split

T = 1_790_000_000_000
DAY = 86_400_000
EURO = 1_000_000
KEY = "shop/sale/real/o:A1"


def percent(rate, currency="EUR", **more):
    """A rule that pays so many millionths."""
    return {"when": more.pop("when", {}), "pays": {"percent": rate}, "currency": currency, **more}


def per_order(amount, currency="EUR", **more):
    """A rule that pays a fixed amount."""
    return {"when": more.pop("when", {}), "pays": {"per_order": amount}, "currency": currency, **more}


def excluded(**when):
    """A rule that pays nothing."""
    return {"when": when, "pays": "excluded", "currency": "EUR"}


FIVE = percent(50_000)


def terms(*rules, **more):
    """Program terms as they are recorded."""
    return {"lock_after_ms": 30 * DAY, "lateness_ms": 7 * DAY, "auto_approve": True, "commission": list(rules), **more}


def catalog(*rules, program=None, partner=None, mode="live", **more):
    """A program `shop` with these rules and a partner `lea`."""
    shop = {
        "currency": "EUR", "mode": [{"value": mode}], "terms": [{"value": terms(*rules, **more)}],
        "segments": {"social": {"title": "", "terms": []}}, **(program or {}),
    }
    membership = {"state": [{"value": {"state": "approved"}}], **(partner or {})}
    lea = {"title": "Léa", "kind": "cashback", "programs": {"shop": membership}}
    bodies = (("program", "shop", shop), ("partner", "lea", lea))
    return Catalog(
        {"v": 1, "kind": kind, "name": name, "number": 1, "version": 1, "recorded_at": 0, "body": body}
        for kind, name, body in bodies
    )


def credit(partner="lea", weight=1, **more):
    """A credited touch."""
    return {"touch": "t", "partner": partner, "link": "home", "weight": weight, "weight_sum": 1, **more}


def item(amount, **more):
    """One line."""
    return {"qty": 1, "amount": amount, **more}


def decision(amount=100 * EURO, items=(), credits=None, trace=None, version=(1, 1, 1), inputs="aa", **more):
    """A decision about the order."""
    credits = [credit()] if credits is None else credits
    return {
        "order": KEY, "code": 0 if credits else 201, "winner": credits[0]["partner"] if credits else None,
        "amount": amount, "currency": "EUR", "items": list(items), "converted_at": T,
        "version": dict(zip(("semantics", "members", "known"), version)), "inputs_hash": inputs, "credits": credits,
        "trace": {"received_at": T, "trust": "signed", **(trace or {})}, **more,
    }


def act(n, action, at=T, received=T, **body):
    """The act with event id n."""
    event = bytes(15) + bytes([n])
    envelope = {
        "id": str(uuid.UUID(bytes=event)), "occurred_at": at, "received_at": received,
        "body": {"order": KEY, "action": action, **body},
    }
    return Act(event, envelope)


def facts(of, *acts, lock=None, payments=()):
    """Everything that is known of the order."""
    known = Facts()
    for body in of if isinstance(of, list) else [of]:
        known.decide(body)
    for one in acts:
        known.acts[one.event] = one
    known.lock = lock
    known.payments = {n: {"partner": "lea", "amount": amount} for n, amount in enumerate(payments)}
    return known


def lock(of, commission=5 * EURO, state="locked", code=0, acts=()):
    """A lock of this decision."""
    shares = [{"partner": "lea", "net": of["amount"], "commission": commission}] if of["credits"] else []
    return {**of, "state": state, "code": code, "acts": [one.id for one in acts], "shares": shares}


def book(known, of=None, key=KEY):
    """The order as booked."""
    return Book(of or catalog(FIVE), key, known)


def line(known, of=None):
    """State, net, commission and codes of its only line."""
    (only,) = book(known, of).lines()
    return tuple(only.split("\t")[4:])


def priced(of, *acts, rules=(FIVE,), **more):
    """Net, commission and codes by these rules."""
    return line(facts(of, *acts), catalog(*rules, **more))[1:]


def accounts(known, of=None):
    """Balances that are not 0."""
    return {account: micros for account, micros in book(known, of).balances() if micros}


class Splitting(unittest.TestCase):
    def test_three_lines_that_share_ten_euros_are_paid_ten_euros(self):
        self.assertEqual(split(10 * EURO, [1, 1, 1]), [3_333_333, 3_333_333, 3_333_334])

    def test_a_tie_goes_to_the_last_and_a_larger_remainder_before_it(self):
        self.assertEqual(split(1, [1, 1]), [0, 1])
        self.assertEqual(split(2, [1, 1, 1]), [0, 1, 1])
        self.assertEqual(split(1, [2, 1]), [1, 0])

    def test_the_published_time_decay(self):
        weights = [1_891_564_545_861_038_778, 2_545_857_086_650_907_337, 1 << 62, 1 << 62]
        self.assertEqual(split(50 * EURO, weights), [6_923_333, 9_318_116, 16_879_275, 16_879_276])

    def test_nothing_without_weight(self):
        self.assertEqual(split(5, [0, 0]), [0, 0])
        self.assertEqual(split(5, []), [])


class Time(unittest.TestCase):
    def test_a_version_holds_from_its_start_to_before_its_end(self):
        versions = [{"value": "a"}, {"valid_from": 10, "valid_to": 20, "value": "b"}, {"valid_from": 30, "value": "c"}]
        held = [at(versions, t) for t in (9, 10, 19, 20, 29, 30)]
        self.assertEqual(held, ["a", "b", "b", None, None, "c"])

    def test_an_order_is_priced_by_the_terms_of_its_own_time(self):
        new = {"terms": [{"value": terms(FIVE)}, {"valid_from": T, "value": terms(percent(100_000))}]}
        self.assertEqual(priced(decision(), program=new)[1], "10000000")
        self.assertEqual(priced(decision(converted_at=T - 1), program=new)[1], "5000000")

    def test_without_terms_in_force_nothing_is_paid_and_the_defaults_hold(self):
        none = {"terms": [{"valid_from": T + 1, "value": terms(FIVE)}]}
        self.assertEqual(priced(decision(), program=none), ("100000000", "0", "0,501"))

    def test_a_gap_of_versions_is_an_error_and_a_known_version_is_none(self):
        record = {"v": 1, "kind": "link", "name": "x", "number": 1, "version": 1, "body": {}}
        twice = Catalog([record, record])
        self.assertRaises(SystemExit, twice.add, {**record, "version": 3})

    def test_a_deleted_partner_keeps_its_past(self):
        of = catalog(percent(50_000, when={"partner_kind": ["cashback"]}))
        of.add({"v": 1, "kind": "partner", "name": "lea", "number": 1, "version": 2, "recorded_at": T + DAY, "deleted": True})
        self.assertEqual(line(facts(decision()), of)[2], "5000000")


class Lines(unittest.TestCase):
    ALONE = (percent(100_000, when={"sku": ["A"]}),)

    def test_lines_below_the_amount_leave_a_line_without_category(self):
        order = decision(items=[item(60 * EURO, sku="A")])
        self.assertEqual(priced(order, rules=self.ALONE)[1], "6000000")
        self.assertEqual(priced(order, rules=(*self.ALONE, FIVE))[1], "8000000")

    def test_lines_above_the_amount_are_scaled_down(self):
        order = decision(amount=10 * EURO, items=[item(10 * EURO, sku=sku) for sku in "ABC"])
        # The third of 10.00 that has the unit left over is the last one's.
        self.assertEqual(priced(order, rules=self.ALONE)[:2], ("10000000", "333333"))
        last = (percent(1_000_000, when={"sku": ["C"]}),)
        self.assertEqual(priced(order, rules=last)[1], "3333334")

    def test_lines_equal_to_the_amount_leave_none(self):
        order = decision(amount=10 * EURO, items=[item(10 * EURO, sku="A")])
        self.assertEqual(priced(order, rules=(*self.ALONE, per_order(EURO)))[1], "1000000")

    def test_two_hundred_lines_of_one_rule_are_rounded_once(self):
        order = decision(amount=200 * 19, items=[item(19, sku="A")] * 200)
        self.assertEqual(priced(order, rules=self.ALONE)[1:], ("380", "0,506"))

    def test_an_order_of_nothing_is_pending_and_pays_what_is_fixed(self):
        self.assertEqual(line(facts(decision(amount=0))), ("pending", "0", "0", "0"))
        self.assertEqual(priced(decision(amount=0), rules=(per_order(3 * EURO),)), ("0", "3000000", "0"))


class Margins(unittest.TestCase):
    def margin(self, margins, *acts):
        order = decision(items=[item(40 * EURO, category=" Shoes"), item(33, category="hats")])
        values = book(facts(order, *acts), catalog(margins=margins)).values
        return values.margin, values.margin_unknown

    def test_what_is_kept_has_the_margin_of_its_category_else_the_default(self):
        rest = 60 * EURO - 33
        shoes = {"category": {"shoes": 425_000}}
        self.assertEqual(self.margin({}), (0, 100 * EURO))
        self.assertEqual(self.margin(shoes), (17 * EURO, 60 * EURO))
        self.assertEqual(self.margin({**shoes, "default": 100_000}), (17 * EURO + 3 + rest // 10, 0))
        back = act(1, "return", returned=[{"line": 1, "amount": 20 * EURO}])
        self.assertEqual(self.margin(shoes, back), (8_500_000, 60 * EURO))


class Rules(unittest.TestCase):
    def test_the_first_rule_that_matches_wins(self):
        rules = (percent(80_000, when={"category": ["Shoes"]}), FIVE)
        shoes = decision(items=[item(40 * EURO, category=" SHOES "), item(60 * EURO, category="hats")])
        self.assertEqual(priced(shoes, rules=rules)[1], "6200000")
        self.assertEqual(priced(shoes, rules=rules[::-1])[1], "5000000")

    def test_articles_compare_as_written(self):
        for sku, paid in (("a1", "0"), ("A1", "5000000")):
            order = decision(items=[item(100 * EURO, sku=sku)])
            self.assertEqual(priced(order, rules=(percent(50_000, when={"sku": ["A1"]}),))[1], paid)

    def test_every_condition_that_is_given_must_hold(self):
        order = decision(
            items=[item(100 * EURO, sku="A1", category="c", group="G")], coupons=["LEA10"], customer_type="new",
            credits=[credit(channel="content")],
        )
        matching = {
            "goal": ["sale"], "partner": ["lea"], "segment": ["social"], "partner_kind": ["cashback"],
            "category": ["x", "C"], "sku": ["A1"], "group": ["g"], "customer": "new", "coupon": [" lea10"],
            "channel": ["content"], "link": ["home"], "from": T, "until": T + 1,
        }
        others = {
            "goal": ["lead"], "partner": ["bob"], "segment": ["other"], "partner_kind": ["content"], "category": ["x"],
            "sku": ["a1"], "group": ["x"], "customer": "returning", "coupon": ["x"], "channel": ["x"], "link": ["x"],
            "from": T + 1, "until": T,
        }
        partner = {"segment": [{"value": "social"}]}
        whole = priced(order, rules=(percent(50_000, when=matching),), partner=partner)
        self.assertEqual(whole, ("100000000", "5000000", "0"))
        for name, value in others.items():
            rules = (percent(50_000, when={**matching, name: value}),)
            self.assertEqual(priced(order, rules=rules, partner=partner)[1:], ("0", "0,501"), name)

    def test_what_an_order_does_not_say_matches_no_condition_about_it(self):
        for when in ({"customer": "new"}, {"customer": "returning"}, {"category": ["x"]}, {"coupon": ["x"]},
                     {"segment": ["social"]}, {"channel": ["x"]}, {"sku": ["x"]}, {"group": ["x"]}):
            self.assertEqual(priced(decision(), rules=(percent(50_000, when=when),))[1:], ("0", "0,501"), when)

    def test_the_partners_rules_come_before_its_segments_and_the_programs(self):
        own = {"terms": [{"value": {"commission": [percent(90_000, when={"sku": ["A"]})]}}]}
        social = {"segments": {"social": {"terms": [{"value": {"commission": [percent(70_000)]}}]}}}
        member = {"segment": [{"valid_to": T, "value": "social"}]}
        order = decision(items=[item(10 * EURO, sku="A")])
        before = decision(items=[item(10 * EURO, sku="A")], converted_at=T - 1)
        self.assertEqual(priced(order, program=social, partner={**own, **member})[1], "5400000")
        self.assertEqual(priced(before, program=social, partner={**own, **member})[1], "7200000")

    def test_an_excluded_line_earns_nothing_and_says_so(self):
        order = decision(items=[item(40 * EURO, category="gift"), item(60 * EURO)])
        rules = (excluded(category=["gift"]), FIVE)
        self.assertEqual(priced(order, rules=rules), ("100000000", "3000000", "0,502"))

    def test_a_line_without_rule_is_501_only_if_all_are(self):
        order = decision(items=[item(40 * EURO, category="a"), item(60 * EURO, category="b")])
        self.assertEqual(priced(order, rules=(percent(50_000, when={"category": ["a"]}),))[1:], ("2000000", "0"))
        self.assertEqual(priced(order, rules=(percent(50_000, when={"category": ["c"]}),))[1:], ("0", "0,501"))

    def test_a_cap_that_is_hit_exactly_cuts_nothing(self):
        for cap, expected in ((5 * EURO, ("5000000", "0")), (5 * EURO - 1, ("4999999", "0,503"))):
            self.assertEqual(priced(decision(), rules=(percent(50_000, cap_per_order=cap),))[1:], expected)

    def test_a_fixed_amount_needs_one_line_of_its_rule_that_stays(self):
        order = decision(items=[item(40 * EURO, sku="A"), item(60 * EURO, sku="B")])
        rules = (per_order(3 * EURO, when={"sku": ["A"]}), per_order(2 * EURO))
        gone = act(1, "return", returned=[{"sku": "A"}])
        some = act(1, "return", returned=[{"sku": "A", "amount": 40 * EURO - 1}])
        self.assertEqual(priced(order, rules=rules)[1], "5000000")
        self.assertEqual(priced(order, some, rules=rules)[1:], ("5000000", "703"))
        self.assertEqual(priced(order, gone, rules=rules), ("60000000", "2000000", "703"))

    def test_returning_customers_have_their_code(self):
        rules = (percent(10_000, when={"customer": "returning"}), FIVE)
        self.assertEqual(priced(decision(customer_type="returning"), rules=rules)[1:], ("1000000", "0,505"))
        self.assertEqual(priced(decision(customer_type="new"), rules=rules)[1:], ("5000000", "0"))

    def test_below_the_minor_unit_of_the_currency(self):
        for currency, unit in (("EUR", 10_000), ("JPY", 1_000_000), ("KWD", 1_000)):
            rules = (percent(1_000_000, currency=currency),)
            for amount, codes in ((unit, "0"), (unit - 1, "0,506"), (0, "0")):
                order = decision(amount=amount, currency=currency)
                self.assertEqual(priced(order, rules=rules)[1:], (str(amount), codes), currency)

    def test_a_rule_in_another_currency_makes_the_order_wait(self):
        yen = decision(currency="JPY")
        self.assertEqual(line(facts(yen)), ("pending", "100000000", "0", "507"))
        self.assertEqual(line(facts(yen, act(1, "approve"))), ("pending", "100000000", "0", "507"))
        both = catalog(FIVE, percent(20_000, currency="JPY"))
        self.assertEqual(line(facts(yen), both), ("pending", "100000000", "2000000", "0"))
        # One line alone without rate takes the whole commission.
        mixed = catalog(percent(20_000, "JPY", when={"sku": ["A"]}), percent(50_000, when={"sku": ["B"]}))
        order = decision(currency="JPY", items=[item(40 * EURO, sku="A"), item(60 * EURO, sku="B")])
        self.assertEqual(line(facts(order), mixed), ("pending", "100000000", "0", "507"))
        unruled = decision(currency="JPY", items=[item(40 * EURO, sku="A"), item(60 * EURO, sku="C")])
        self.assertEqual(line(facts(unruled), mixed), ("pending", "100000000", "800000", "0,506"))

    def test_an_order_that_names_no_currency_has_the_programs(self):
        self.assertEqual(priced(decision(currency=None))[1], "5000000")

    def test_pay_without_order_prices_none(self):
        rules = [{"pays": {"per_click": 5}, "currency": "EUR"},
                 {"pays": {"per_period": {"period": "month", "amount": 5}}, "currency": "EUR"}]
        self.assertEqual(priced(decision(), rules=rules)[1:], ("0", "0,501"))


class Shares(unittest.TestCase):
    THREE = [credit("lea"), credit(None), credit("lea")]

    def test_the_unit_left_over_is_the_newest_touchs(self):
        (own, of_lea) = sorted(book(facts(decision(10 * EURO, credits=[credit(None), credit(), credit()]))).lines())
        self.assertEqual(own.split("\t")[5:], ["3333334", "0", "0"])
        self.assertEqual(of_lea.split("\t")[5:], ["6666666", "333332", "0"])

    def test_shares_of_one_partner_are_one_line(self):
        lines = sorted(book(facts(decision(9 * EURO, credits=self.THREE)), catalog(per_order(3 * EURO))).lines())
        self.assertEqual([one.split("\t")[2:7] for one in lines], [
            ["-", "EUR", "pending", "3000000", "0"], ["lea", "EUR", "pending", "6000000", "2000000"],
        ])

    def test_an_order_of_nobody_is_one_line_with_what_is_kept(self):
        nobody = decision(credits=[])
        self.assertEqual(line(facts(nobody, act(1, "return", amount=40 * EURO))), ("pending", "60000000", "0", "703"))
        self.assertEqual(line(facts(nobody)), ("pending", "100000000", "0", "201"))


class Returns(unittest.TestCase):
    ITEMS = [item(10 * EURO, sku="A", qty=3), item(20 * EURO, sku="A", qty=2), item(30 * EURO, sku="B", qty=0)]

    def kept(self, entries=None, findings=(), **body):
        """What is kept of 60.00 in three lines and 5.00 without line."""
        of = {"returned": entries} if entries is not None else body
        back = book(facts(decision(65 * EURO, items=self.ITEMS), act(1, "return", **of)))
        self.assertEqual(back.values.findings, list(findings))
        return back.values.kept - 5 * EURO

    def test_by_place(self):
        self.assertEqual(self.kept([{"line": 2}]), 40 * EURO)
        self.assertEqual(self.kept([{"line": 3, "qty": 1}]), 30 * EURO)
        self.assertEqual(self.kept([{"line": 2, "sku": "B"}]), 40 * EURO)
        for place in (0, 4):
            self.assertEqual(self.kept([{"line": place}], ["returned_unknown_line"]), 60 * EURO)

    def test_by_article_the_first_first(self):
        self.assertEqual(self.kept([{"sku": "A", "qty": 3}]), 50 * EURO)
        self.assertEqual(self.kept([{"sku": "A", "qty": 4}]), 40 * EURO)
        self.assertEqual(self.kept([{"sku": "A", "amount": 11 * EURO}]), 49 * EURO)
        self.assertEqual(self.kept([{"sku": "a"}], ["returned_unknown_line"]), 60 * EURO)
        self.assertEqual(self.kept([{}], ["returned_unknown_line"]), 60 * EURO)

    def test_pieces_are_rounded_once_over_all_entries(self):
        self.assertEqual(self.kept([{"line": 1, "qty": 1}]), 60 * EURO - 3_333_333)
        self.assertEqual(self.kept([{"line": 1, "qty": 2}]), 60 * EURO - 6_666_666)
        self.assertEqual(self.kept([{"line": 1, "qty": 1}] * 3), 50 * EURO)
        self.assertEqual(self.kept([{"line": 1, "qty": 1}] * 4, ["returned_too_much"]), 50 * EURO)

    def test_more_than_was_bought_is_what_was_bought(self):
        self.assertEqual(self.kept([{"line": 1, "qty": 3}]), 50 * EURO)
        self.assertEqual(self.kept([{"line": 1, "qty": 4}], ["returned_too_much"]), 50 * EURO)
        self.assertEqual(self.kept([{"line": 1, "amount": 10 * EURO}]), 50 * EURO)
        self.assertEqual(self.kept([{"line": 1, "amount": 10 * EURO + 1}], ["returned_too_much"]), 50 * EURO)
        self.assertEqual(self.kept(amount=65 * EURO), -5 * EURO)
        self.assertEqual(self.kept(findings=["returned_too_much"], amount=65 * EURO + 1), -5 * EURO)

    def test_money_and_pieces_of_one_line_never_exceed_it(self):
        self.assertEqual(self.kept([{"line": 2, "amount": 15 * EURO}, {"line": 2, "qty": 1}]), 40 * EURO)
        self.assertEqual(self.kept([{"line": 2, "qty": 1, "amount": EURO}]), 59 * EURO)

    def test_an_amount_alone_is_split_by_the_lines(self):
        rules = (percent(100_000, when={"sku": ["B"]}),)
        order = decision(65 * EURO, items=self.ITEMS)
        self.assertEqual(priced(order, act(1, "return", amount=13 * EURO), rules=rules)[1], "2400000")

    def test_everything_back_is_declined_and_a_micro_less_is_not(self):
        all_but = [line(facts(decision(), act(1, "return", amount=100 * EURO - less))) for less in (0, 1)]
        self.assertEqual(all_but, [("declined", "0", "0", "702"), ("pending", "1", "0", "703")])

    def test_the_last_return_says_all_that_came_back(self):
        back = [act(1, "return", amount=30 * EURO), act(2, "return", at=T + 1, amount=20 * EURO)]
        self.assertEqual(priced(decision(), *back), ("80000000", "4000000", "703"))
        undone = act(3, "return", at=T + 2, amount=0)
        self.assertEqual(priced(decision(), *back, undone), ("100000000", "5000000", "0"))

    def test_another_currency_does_nothing_and_brings_no_older_one_back(self):
        back = [act(1, "return", amount=30 * EURO), act(2, "return", at=T + 1, amount=20 * EURO, currency="USD")]
        self.assertEqual(priced(decision(), *back)[0], "100000000")
        self.assertEqual(priced(decision(), back[0])[0], "70000000")
        self.assertEqual(book(facts(decision(), *back)).values.findings, ["currency_differs"])


class Amendments(unittest.TestCase):
    def test_lines_and_amount_are_replaced(self):
        order = decision(items=[item(100 * EURO, sku="A")])
        lines = act(1, "amend", items=[item(30 * EURO, sku="B"), item(20 * EURO)])
        self.assertEqual(priced(order, lines), ("50000000", "2500000", "0"))
        more = act(1, "amend", items=[item(30 * EURO, sku="B")], amount=50 * EURO)
        self.assertEqual(priced(order, more, rules=(percent(100_000, when={"sku": ["B"]}),))[:2], ("50000000", "3000000"))

    def test_an_amount_alone_scales_the_lines_and_the_rest(self):
        order = decision(items=[item(60 * EURO, sku="A")])
        half = act(1, "amend", amount=50 * EURO)
        self.assertEqual(priced(order, half, rules=(percent(100_000, when={"sku": ["A"]}),))[:2], ("50000000", "3000000"))

    def test_an_order_of_nothing_that_gets_an_amount_has_one_line_without_article(self):
        order = decision(amount=0, items=[item(0, sku="A")])
        ten = act(1, "amend", amount=10 * EURO)
        self.assertEqual(priced(order, ten, rules=(percent(100_000, when={"sku": ["A"]}),))[1:], ("0", "0,501"))
        self.assertEqual(priced(order, ten), ("10000000", "500000", "0"))

    def test_a_return_names_the_amended_lines(self):
        order = decision(items=[item(100 * EURO, sku="A")])
        acts = [act(1, "amend", items=[item(30 * EURO, sku="B"), item(20 * EURO, sku="C")]),
                act(2, "return", returned=[{"line": 2}])]
        self.assertEqual(priced(order, *acts), ("30000000", "1500000", "703"))
        old = act(2, "return", returned=[{"sku": "A"}])
        self.assertEqual(priced(order, acts[0], old), ("50000000", "2500000", "0"))

    def test_to_nothing_is_no_return_of_everything(self):
        nothing = act(1, "amend", amount=0)
        self.assertEqual(line(facts(decision(), nothing)), ("pending", "0", "0", "0"))

    def test_an_amount_has_a_limit(self):
        most = 100_000_000_000 * EURO
        lines = act(1, "amend", items=[item(most, sku="A"), item(most)])
        self.assertEqual(priced(decision(), lines, rules=(percent(1, when={"sku": ["A"]}),))[0], str(most))

    def test_neither_lines_nor_amount_changes_nothing(self):
        self.assertEqual(priced(decision(), act(1, "amend")), ("100000000", "5000000", "0"))


class Holding(unittest.TestCase):
    def state(self, *acts):
        return line(facts(decision(), *acts))[0]

    def test_revision_beats_time(self):
        early = act(1, "decline", revision=2)
        late = act(2, "approve", at=T + 1, revision=1)
        self.assertEqual(self.state(early, late), "declined")
        self.assertEqual(self.state(act(1, "decline", revision=1), late), "approved")

    def test_then_the_time_claimed_then_the_time_received_then_the_id(self):
        for first, second in (
            (act(1, "approve", at=T + 1), act(2, "decline", at=T, received=T + 9)),
            (act(1, "approve", received=T + 1), act(2, "decline")),
            (act(2, "approve"), act(1, "decline")),
        ):
            self.assertEqual([self.state(first, second), self.state(second, first)], ["approved"] * 2)

    def test_two_acts_with_one_client_event_id_are_the_first(self):
        first = act(1, "decline", client_event_id="x")
        second = act(2, "approve", at=T + 1, revision=9, client_event_id="x")
        self.assertEqual(self.state(second, first), "declined")
        self.assertEqual(self.state(first, act(2, "approve", at=T + 1, client_event_id="y")), "approved")

    def test_reopen_undoes(self):
        self.assertEqual(self.state(act(1, "decline"), act(2, "reopen", at=T + 1)), "pending")

    def test_kinds_do_not_replace_each_other(self):
        held = [act(1, "approve"), act(2, "return", at=T + 1, amount=EURO), act(3, "amend", at=T + 2, amount=50 * EURO)]
        self.assertEqual(line(facts(decision(), *held)), ("approved", "49000000", "2450000", "703"))

    def test_an_act_before_the_order_waits_for_it_and_books_nothing(self):
        waiting = Facts()
        waiting.acts[b"1"] = act(1, "return", amount=100 * EURO)
        self.assertIsNone(waiting.decision)
        waiting.decide(decision())
        self.assertEqual(line(waiting)[0], "declined")

    def test_the_greatest_version_of_the_decision_stands(self):
        versions = [((1, 1, 5), "ff"), ((1, 2, 1), "00"), ((1, 2, 1), "01")]
        of = [decision(amount=n * EURO, version=v, inputs=h) for n, (v, h) in enumerate(versions, 1)]
        for order in (of, of[::-1]):
            self.assertEqual(line(facts(order))[1], "3000000")


class States(unittest.TestCase):
    def test_before_the_lock_the_first_reason_counts(self):
        forfeit = {"state": [{"value": {"state": "approved"}},
                             {"valid_from": T + 1, "value": {"state": "ended", "mode": "forfeit"}}]}
        ended = catalog(FIVE, partner=forfeit)
        page = decision(trace={"trust": "page", "notes": [203, 609, 602]})
        everything = act(2, "return", amount=100 * EURO)
        self.assertEqual(line(facts(page, act(1, "decline", code=705), everything), ended)[3], "705")
        self.assertEqual(line(facts(page, act(1, "decline"), everything), ended)[3], "701")
        self.assertEqual(line(facts(page, act(1, "approve"), everything), ended)[::3], ("declined", "804"))
        self.assertEqual(line(facts(page, act(1, "approve"), everything))[::3], ("declined", "702"))
        self.assertEqual(line(facts(page, act(1, "approve")))[::3], ("approved", "0"))
        self.assertEqual(line(facts(page))[::3], ("held", "602"))
        self.assertEqual(line(facts(decision(trace={"trust": "page"})))[::3], ("pending", "110"))

    def test_a_forfeit_declines_what_is_open_and_neither_earlier_nor_later_orders(self):
        due = T + 30 * DAY
        for end, state in ((T, "pending"), (T + 1, "declined"), (due - 1, "declined"), (due, "pending")):
            partner = {"state": [{"value": {"state": "approved"}},
                                 {"valid_from": end, "value": {"state": "ended", "mode": "forfeit"}}]}
            self.assertEqual(line(facts(decision()), catalog(FIVE, partner=partner))[0], state, end - T)

    def test_an_announced_forfeit_takes_nothing_before_it_is_there(self):
        end = T + DAY
        partner = {"state": [{"value": {"state": "approved"}},
                             {"valid_from": end, "value": {"state": "ended", "mode": "forfeit"}}]}
        for now, state in ((end - 1, "pending"), (end, "declined"), (None, "declined")):
            announced = catalog(FIVE, partner=partner)
            announced.now = now
            self.assertEqual(line(facts(decision()), announced)[0], state, now)

    def test_the_time_of_the_lock_follows_what_was_received_last(self):
        partner = {"state": [{"value": {"state": "approved"}},
                             {"valid_from": T + 30 * DAY, "value": {"state": "ended", "mode": "forfeit"}}]}
        for received, state in ((T + 23 * DAY, "pending"), (T + 23 * DAY + 1, "declined")):
            order = decision(trace={"received_at": received})
            self.assertEqual(line(facts(order), catalog(FIVE, partner=partner))[0], state)

    def test_a_month_ends_in_the_zone_of_the_program(self):
        def at(text):
            return int(datetime.datetime.fromisoformat(text).timestamp() * 1000)
        for zone, t, days, lock in (
            ("Europe/Paris", "2026-10-31T22:59:59Z", 0, "2026-10-31T23:00:00Z"),
            ("Europe/Paris", "2026-10-31T23:00:00Z", 0, "2026-11-30T23:00:00Z"),
            ("Europe/Paris", "2026-03-10T12:00:00Z", 0, "2026-03-31T22:00:00Z"),
            ("Europe/Paris", "2026-10-05T10:00:00Z", 3, "2026-11-03T23:00:00Z"),
            ("UTC", "2026-01-31T12:00:00Z", 0, "2026-02-01T00:00:00Z"),
            ("UTC", "2028-02-29T23:59:59Z", 1, "2028-03-02T00:00:00Z"),
            ("UTC", "2026-12-31T23:59:59Z", 0, "2027-01-01T00:00:00Z"),
            ("America/Asuncion", "2023-09-10T00:00:00Z", 0, "2023-10-01T04:00:00Z"),
            ("America/Los_Angeles", "2026-11-01T06:59:59Z", 0, "2026-11-01T07:00:00Z"),
        ):
            terms_ = terms(FIVE, lock_month_end_plus=days)
            self.assertEqual(booked.lock_from(terms_, {"time_zone": zone}, at(t)), at(lock), (zone, t))
        self.assertEqual(booked.lock_from(terms(FIVE), {}, T), T + 30 * DAY)

    def test_freeze_and_run_off_leave_open_orders_alone(self):
        for mode in ("freeze", "run_off"):
            partner = {"state": [{"value": {"state": "approved"}},
                                 {"valid_from": T + 1, "value": {"state": "ended", "mode": mode}}]}
            self.assertEqual(line(facts(decision()), catalog(FIVE, partner=partner))[0], "pending")

    def test_a_declined_order_earns_nothing_and_keeps_its_net(self):
        self.assertEqual(line(facts(decision(), act(1, "decline", code=704))), ("declined", "100000000", "0", "704"))


class Locked(unittest.TestCase):
    def test_the_lock_keeps_its_values_whatever_is_decided_later(self):
        later = decision(amount=10 * EURO, credits=[], version=(1, 9, 9))
        self.assertEqual(line(facts([decision(), later], lock=lock(decision()))), ("locked", "100000000", "5000000", "0"))

    def test_an_act_that_the_lock_names_changes_nothing_and_a_new_one_does(self):
        back = act(1, "return", amount=40 * EURO)
        known = lock(decision(), commission=3 * EURO, code=703, acts=[back])
        self.assertEqual(line(facts(decision(), back, lock=known)), ("locked", "60000000", "3000000", "703"))
        self.assertEqual(line(facts(decision(), back, lock=lock(decision()))), ("locked", "60000000", "3000000", "803"))

    def test_an_act_that_takes_nothing_leaves_the_locks_code(self):
        more = act(1, "amend", amount=200 * EURO)
        self.assertEqual(line(facts(decision(), more, lock=lock(decision(), code=703)))[2:], ("10000000", "703"))
        same = act(1, "approve")
        self.assertEqual(line(facts(decision(), same, lock=lock(decision())))[3], "0")

    def test_prices_of_a_lock_stand_until_another_act_holds(self):
        one = act(1, "approve")
        known = lock(decision(), commission=7 * EURO, acts=[one])
        self.assertEqual(line(facts(decision(), one, lock=known))[2], "7000000")
        self.assertEqual(line(facts(decision(), one, act(2, "reopen", at=T + 1), lock=known))[2:], ("5000000", "803"))

    def test_a_lock_says_all_that_a_decision_would(self):
        known = Facts()
        known.lock = lock(decision())
        self.assertEqual(line(known), ("locked", "100000000", "5000000", "0"))

    def test_a_decline_after_the_lock_reverses_and_can_be_undone(self):
        no, yes = act(1, "decline", code=705), act(2, "approve", at=T + 1)
        self.assertEqual(line(facts(decision(), no, lock=lock(decision()))), ("reversed", "100000000", "0", "803"))
        self.assertEqual(line(facts(decision(), no, yes, lock=lock(decision())))[::3], ("locked", "0"))

    def test_nothing_kept_after_the_lock_reverses_also_what_is_paid(self):
        back = act(1, "return", amount=100 * EURO)
        of = facts(decision(), back, lock=lock(decision()), payments=[5 * EURO])
        self.assertEqual(line(of), ("reversed", "0", "0", "803"))

    def test_locked_as_declined_stays_so(self):
        no, yes = act(1, "decline", code=705), act(2, "approve", at=T + 1)
        known = lock(decision(), 0, "declined", 705, [no])
        self.assertEqual(line(facts(decision(), no, yes, lock=known)), ("declined", "100000000", "0", "705"))

    def test_paid_is_what_has_a_payment(self):
        self.assertEqual(line(facts(decision(), lock=lock(decision()), payments=[5 * EURO]))[0], "paid")
        self.assertEqual(line(facts(decision(), lock=lock(decision())))[0], "locked")


class Accounts(unittest.TestCase):
    def test_money_stands_where_the_state_says(self):
        held = decision(trace={"notes": [602]})
        five = 5 * EURO
        for known, account in (
            (facts(decision()), "pending"), (facts(held), "pending"), (facts(decision(), act(1, "approve")), "approved"),
            (facts(decision(), lock=lock(decision())), "payable"),
            (facts(decision(), lock=lock(decision()), payments=[five]), "paid"),
        ):
            self.assertEqual(accounts(known), {f"{account}:lea": five, "expense:shop": -five})
        self.assertEqual(accounts(facts(decision(), act(1, "decline"))), {})

    def test_what_falls_after_the_lock_is_taken_back(self):
        back = act(1, "return", amount=40 * EURO)
        open_ = facts(decision(), back, lock=lock(decision()))
        self.assertEqual(accounts(open_), {"payable:lea": 5 * EURO, "clawback:lea": -2 * EURO, "expense:shop": -3 * EURO})
        paid = facts(decision(), back, lock=lock(decision()), payments=[5 * EURO])
        self.assertEqual(accounts(paid), {"paid:lea": 5 * EURO, "clawback:lea": -2 * EURO, "expense:shop": -3 * EURO})
        settled = facts(decision(), back, lock=lock(decision()), payments=[5 * EURO, -2 * EURO])
        self.assertEqual(accounts(settled), {"paid:lea": 3 * EURO, "expense:shop": -3 * EURO})

    def test_what_rises_after_the_lock_is_payable(self):
        more = act(1, "amend", amount=200 * EURO)
        self.assertEqual(accounts(facts(decision(), more, lock=lock(decision()))),
                         {"payable:lea": 10 * EURO, "expense:shop": -10 * EURO})
        paid = facts(decision(), more, lock=lock(decision()), payments=[5 * EURO])
        self.assertEqual(accounts(paid), {"payable:lea": 5 * EURO, "paid:lea": 5 * EURO, "expense:shop": -10 * EURO})

    def test_a_reversed_order_owes_all_back(self):
        no = act(1, "decline")
        self.assertEqual(accounts(facts(decision(), no, lock=lock(decision()))),
                         {"payable:lea": 5 * EURO, "clawback:lea": -5 * EURO})

    def test_observed_programs_show_prices_and_move_nothing(self):
        watched = catalog(FIVE, mode="observe")
        self.assertEqual(line(facts(decision()), watched)[2], "5000000")
        self.assertEqual(accounts(facts(decision()), watched), {})
        mode = {"mode": [{"value": "observe"}, {"valid_from": T, "value": "live"}]}
        self.assertEqual(accounts(facts(decision(converted_at=T - 1)), catalog(FIVE, program=mode)), {})
        self.assertEqual(len(accounts(facts(decision()), catalog(FIVE, program=mode))), 2)


class Folders(unittest.TestCase):
    """The whole program over files."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        with open(os.path.join(self.folder.name, "FORMAT"), "w", encoding="ascii") as file:
            file.write("sillage event log\nformat = 1\nclock = real\n")
        self.count = 0
        shop = {"currency": "EUR", "mode": [{"value": "live"}], "segments": {},
                "terms": [{"value": terms(FIVE, lock_after_ms=0, lateness_ms=0)}]}
        lea = {"kind": "content", "programs": {"shop": {"state": [{"value": {"state": "approved"}}]}}}
        self.write("catalog.versions", *(
            ("catalog_version", f"{kind}/{name}", T, {"v": 1, "kind": kind, "name": name, "number": 1, "version": 1, "body": body})
            for kind, name, body in (("program", "shop", shop), ("partner", "lea", lea))
        ))
        self.decision = decision()
        test = KEY.replace("real", "test")
        self.write("conversions.attributed", ("decision", KEY, T, self.decision), ("decision", test, T, decision(order=test)))

    def write(self, topic, *envelopes):
        """A segment with one frame of these (type, key, received, body)."""
        os.mkdir(os.path.join(self.folder.name, topic))
        stream, seed, body = segments.TOPICS[topic], b"\x01" * 8, b""
        for kind, key, received, of in envelopes:
            self.count += 1
            event = bytes(12) + self.count.to_bytes(4, "big")
            payload = json.dumps({"v": 1, "id": str(uuid.UUID(bytes=event)), "type": kind, "occurred_at": received,
                                  "received_at": received, "program": "shop", "key": key, "body": of}).encode()
            body += segments.RECORD.pack(segments.CODEC_JSON, 0, 0, len(payload), event, 0) + payload
        head = segments.SEGMENT.pack(segments.SEGMENT_MAGIC, 1, stream, 0, int.from_bytes(seed, "little"), 0, 0, 0, 0, 0)
        head = head[:60] + struct.pack("<I", segments.crc32c(head[:60]))
        frame = segments.FRAME.pack(segments.FRAME_MAGIC, stream, len(body), 0, 0, len(envelopes), 0)[:36]
        frame += struct.pack("<I", segments.crc32c(seed, frame, body))
        with open(os.path.join(self.folder.name, topic, f"{0:016x}-{'01' * 8}.seg"), "wb") as file:
            file.write(head + frame + body)

    def run_books(self, *arguments):
        """Exit code, output and figures."""
        said, figures = io.StringIO(), io.StringIO()
        said.reconfigure = lambda **_: None
        with mock.patch("sys.argv", ["books.py", *arguments, self.folder.name]), \
                contextlib.redirect_stdout(said), contextlib.redirect_stderr(figures):
            code = books.main()
        return code, said.getvalue(), dict(field.split("=") for field in figures.getvalue().split())

    LINE = f"shop\t{KEY}\tlea\tEUR\tpending\t100000000\t5000000\t0\n"

    def lock(self, **changed):
        """The lock that the order must have."""
        fields = ("amount", "currency", "items", "converted_at", "inputs_hash", "credits", "winner")
        shares = [{"partner": "lea", "net": 100 * EURO, "commission": 5 * EURO}]
        return {"order": KEY, "closing": "lock", "lock_at": T, "state": "locked", "code": 0, "automatic": True,
                "shares": shares, **{name: self.decision[name] for name in fields}, **changed}

    def test_the_lines_and_the_balances_of_a_folder(self):
        code, said, figures = self.run_books()
        self.assertEqual((code, said, figures["orders"]), (0, self.LINE, "1"))
        _, said, _ = self.run_books("--accounts")
        self.assertEqual(said, "expense:shop\tEUR\t-5000000\npending:lea\tEUR\t5000000\n")

    def test_equal_books_are_equal_and_a_micro_is_found(self):
        with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as file:
            for text, differing in ((self.LINE, "0"), (self.LINE.replace("\t5000000", "\t5000001"), "1")):
                file.seek(0)
                file.truncate()
                file.write(text)
                file.flush()
                code, said, figures = self.run_books("--books", file.name)
                self.assertEqual(figures["difference_micros"], differing)
                self.assertEqual((code, said.count("\n")), (int(differing), 2 * int(differing)))
                self.assertEqual("5000001" in said, differing == "1")

    def test_a_lock_must_be_due_and_say_what_is_computed(self):
        for n, (received, changed, fault) in enumerate((
            (T, {}, None),
            (T - 1, {}, "is due at"),
            (T, {"lock_at": T + 1}, "is due at"),
            (T, {"amount": 1}, "another amount"),
            (T, {"automatic": False}, "computed"),
            (T, {"acts": ["00000000-0000-0000-0000-0000000000ff"]}, "names acts"),
            (T, {"shares": []}, "has shares"),
            (T, {"inputs_hash": "bb"}, "names a decision"),
        )):
            self.write("orders.closed", ("closed", KEY, received, self.lock(**changed)))
            code, said, _ = self.run_books("--check-locks", "--accounts")
            self.assertEqual(code, int(fault is not None), n)
            if fault:
                self.assertIn(fault, said)
            folder = os.path.join(self.folder.name, "orders.closed")
            for file in os.listdir(folder):
                os.remove(os.path.join(folder, file))
            os.rmdir(folder)

    def test_a_lock_that_was_due_and_is_missing_is_found(self):
        for due_by, code in ((T - 1, 0), (T, 1)):
            result, said, _ = self.run_books("--due-by", str(due_by), "--accounts")
            self.assertEqual((result, "is missing" in said), (code, bool(code)))

    def transfer(self, name, amount, **more):
        """One transfer."""
        return {"id": name, "purpose": "accrue", "debit": "expense:shop", "credit": "pending:lea", "amount": amount,
                "currency": "EUR", **more}

    def check_transfers(self, *postings, **booked):
        """What is said of postings of these transfers."""
        booked = {"state": "pending", "code": 0, "currency": "EUR", "converted_at": T, "amount": 100 * EURO, "returned": 0,
                  "margin": 0, "margin_unknown": 100 * EURO, "shares": [
                      {"partner": "lea", "net": 100 * EURO, "commission": 5 * EURO, "state": "pending"}], **booked}
        of = [("posting", KEY, T, {"order": KEY, "number": n, "booked": booked, "transfers": list(transfers)})
              for n, transfers in enumerate(postings)]
        self.write("ledger.transfers", *of)
        code, said, figures = self.run_books("--check-transfers", "--accounts")
        return code, said, figures["transfers"]

    def test_transfers_that_lead_to_the_balances(self):
        parts = (self.transfer("a", 3 * EURO), self.transfer("b", 2 * EURO))
        code, _, count = self.check_transfers(parts[:1], parts, parts[1:])
        self.assertEqual((code, count), (0, "2"))

    def test_transfers_that_do_not(self):
        code, said, _ = self.check_transfers([self.transfer("a", 5 * EURO - 1)])
        self.assertEqual(code, 1)
        self.assertIn("pending:lea EUR: transfers lead to 4999999, computed 5000000", said)

    def test_a_last_posting_that_says_otherwise(self):
        code, said, _ = self.check_transfers([self.transfer("a", 5 * EURO)], margin=1)
        self.assertEqual(code, 1)
        self.assertIn("the last posting says margin 1, computed 0", said)

    def test_one_id_with_two_contents(self):
        code, said, _ = self.check_transfers([self.transfer("a", 5 * EURO)], [self.transfer("a", 4 * EURO)])
        self.assertEqual(code, 1)
        self.assertIn("transfer a is there twice with two contents", said)


if __name__ == "__main__":
    unittest.main()
