"""Whether locks and transfers of a ledger fit what is computed anew: each fault as a text."""

import collections

import days
from booked import Values, lock_due, state_before_lock


def check_lock(catalog, book):
    """What is wrong with a lock, as text."""
    facts, lock = book.facts, book.facts.lock
    decision = facts.decisions.get(lock["inputs_hash"])
    if decision is None:
        return "names a decision that is not on conversions.attributed"
    if book.observed:
        return "is of a program that is observed"
    program, t = book.values.program, lock["converted_at"]
    due = lock_due(catalog, program, decision)
    if lock["lock_at"] != due or facts.locked_at < due:
        return f"is due at {due}, says {lock['lock_at']}, was made at {facts.locked_at}"
    for field in ("amount", "currency", "items", "coupons", "customer_type", "converted_at", "credits", "winner"):
        if field == "currency" and decision.get(field) is None:
            continue
        if lock.get(field) != decision.get(field):
            return f"has another {field} than its decision"
    acts = {act.id: act for act in facts.acts.values()}
    missing = [name for name in lock.get("acts", []) if name not in acts]
    if missing:
        return f"names acts that are not on events.conversions: {missing}"
    held = {}
    for name in lock.get("acts", []):
        if acts[name].kind in held:
            return f"names two acts of the kind {acts[name].kind}"
        held[acts[name].kind] = acts[name]
    values = Values(catalog, book.key, decision, held)
    state, code = state_before_lock(catalog, decision, values, held)
    if state == "declined":
        values.void()
    automatic = state == "pending"
    if not may_lock(catalog, program, decision, state, code):
        return f"must not be: the order is {state}, {code}"
    expected = ("declined" if state == "declined" else "locked", code, automatic)
    if (lock["state"], lock["code"], lock["automatic"]) != expected:
        return f"is {lock['state']}, {lock['code']}, automatic {lock['automatic']}; computed {expected}"
    ours = [(share.partner, share.net, share.commission, sorted(share.codes)) for share in values.shares[::-1]]
    theirs = [
        (share.get("partner"), share["net"], share["commission"], share.get("codes", []))
        for share in lock.get("shares", [])
    ]
    return None if ours == theirs else f"has shares {theirs}; computed {ours}"


def may_lock(catalog, program, decision, state, code):
    """Whether an order in this state is locked when it is due."""
    if state == "pending":
        by_itself = catalog.auto_approve(program, decision["winner"], decision["converted_at"])
        return by_itself and code not in (110, 507)
    return state in ("declined", "approved")


def lock_is_missing(catalog, book, due_by):
    """Whether an order had to be locked by then and is not."""
    decision, program = book.facts.decision, book.values.program
    if book.facts.lock or book.observed or lock_due(catalog, program, decision) > due_by:
        return False
    return may_lock(catalog, program, decision, book.state, book.code)


def check_postings(books, postings):
    """Whether the last posting of each order says what is computed, as texts."""
    last = {}
    for body in postings:
        if "order" in body and (body["order"] not in last or body["number"] > last[body["order"]]["number"]):
            last[body["order"]] = body
    for book in books:
        values, body = book.values, last.pop(book.key, None)
        if body is None:
            yield f"{book.key} has no posting"
            continue
        theirs = body["booked"]
        ours = {
            "state": book.state, "code": book.code, "currency": values.currency, "converted_at": values.t,
            "amount": values.amount, "returned": values.amount - values.kept,
            "margin": values.margin, "margin_unknown": values.margin_unknown,
        }
        for name, value in ours.items():
            if theirs[name] != value:
                yield f"{book.key}: the last posting says {name} {theirs[name]}, computed {value}"
        shares = [
            (share.partner, share.net, share.commission, sorted(share.codes), book.state_of(share.partner))
            for share in values.shares[::-1]
        ]
        told = [
            (share.get("partner"), share["net"], share["commission"], share.get("codes", []), share["state"])
            for share in theirs.get("shares", [])
        ]
        if shares != told:
            yield f"{book.key}: the last posting has shares {told}, computed {shares}"
    for key in last:
        yield f"{key} has a posting and is not to be booked"


def days_posted_at(folder):
    """When a day was last posted; 0: never."""
    bodies = (envelope["body"] for _, envelope in folder.envelopes("ledger.transfers"))
    return max((body["changed_at"] for body in bodies if "day" in body), default=0)


def check_days(folder, paid_days):
    """Whether the transfers of each day lead to what is computed of it, as texts."""
    sums, seen = collections.defaultdict(collections.Counter), set()
    for event, envelope in folder.envelopes("ledger.transfers"):
        body = envelope["body"]
        if "day" not in body or event in seen:
            continue
        seen.add(event)
        key = days.key_of(body["day"])
        purpose = paid_days[key].purpose if key in paid_days else None
        for transfer in body.get("transfers", []):
            sums[key][transfer["debit"]] -= transfer["amount"]
            sums[key][transfer["credit"]] += transfer["amount"]
            expense = any(transfer[side].startswith("expense:") for side in ("debit", "credit"))
            if purpose is not None and transfer["purpose"] != (purpose if expense else "pay"):
                yield f"{envelope['key']}: a transfer has the purpose {transfer['purpose']}"
    for key in sums.keys() | paid_days.keys():
        ours = dict(paid_days[key].balances()) if key in paid_days else {}
        for account in sorted(sums[key].keys() | ours.keys()):
            if sums[key][account] != ours.get(account, 0):
                yield f"{'/'.join(map(str, key))}: {account} has {sums[key][account]}, computed {ours.get(account, 0)}"


def check_statements(folder):
    """Whether each statement has as many payments, and as much, as one of them says, as texts."""
    statements = collections.defaultdict(dict)
    for event, envelope in folder.envelopes("orders.closed"):
        if envelope["body"]["closing"] == "pay":
            statements[envelope["body"]["statement"]][event] = envelope["body"]
    for name, payments in statements.items():
        have = len(payments), sum(body["amount"] for body in payments.values())
        wholes = {(body["whole"]["lines"], body["whole"]["amount"]) for body in payments.values()}
        if have not in wholes:
            yield f"statement {name} has {have[0]} payments of {have[1]}, and says {sorted(wholes)}"


def check_transfers(folder, books, balances, figures):
    """What is wrong on `ledger.transfers`, as texts."""
    seen, sums, postings = {}, collections.Counter(), {}
    for event, envelope in folder.envelopes("ledger.transfers"):
        body = envelope["body"]
        if postings.setdefault(event, body) is not body:
            if postings[event] != body:
                yield f"posting {envelope['id']} is there twice with two contents"
            continue
        for transfer in body.get("transfers", []):
            if transfer["id"] in seen:
                if seen[transfer["id"]] != transfer:
                    yield f"transfer {transfer['id']} is there twice with two contents"
                continue
            seen[transfer["id"]] = transfer
            if transfer["amount"] <= 0:
                yield f"transfer {transfer['id']} moves {transfer['amount']}"
            sums[transfer["debit"], transfer["currency"]] -= transfer["amount"]
            sums[transfer["credit"], transfer["currency"]] += transfer["amount"]
    yield from check_postings(books, postings.values())
    figures["postings"], figures["transfers"] = len(postings), len(seen)
    for currency in sorted({currency for _, currency in sums}):
        rest = sum(micros for (_, of), micros in sums.items() if of == currency)
        if rest:
            yield f"debits and credits differ by {rest} {currency}"
    for place in sorted(sums.keys() | balances.keys()):
        if sums[place] != balances[place]:
            yield f"{' '.join(place)}: transfers lead to {sums[place]}, computed {balances[place]}"
