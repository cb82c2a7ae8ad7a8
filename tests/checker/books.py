"""Computes every order's state and commission, and every day's pay, anew from the topics: prints the lines of `sillage books`.

    books.py [--books FILE] [--accounts] [--check-locks] [--due-by MS]
             [--check-transfers] [--now MS] DATA

DATA is the folder of `sillage serve`, which does not run. Written from docs/books.md, docs/catalog.md and
docs/log-format.md alone. Reads `conversions.attributed`, `events.conversions`, `events.touches`, `orders.closed` and
`catalog.versions`.

    --books FILE        compares with the lines in FILE instead of printing: says the first that differ
    --accounts          prints the balances instead: account, currency, micros
    --check-locks       every lock has its time, and says what is computed from what it names
    --due-by MS         no order whose lock was due by then is without one
    --now MS            computes for that moment: ends that were announced for later take nothing yet, days that are due
                        by then are posted; without it, those that were due when a day was last posted
    --check-transfers   the transfers on `ledger.transfers` are whole and lead to the balances, and the last posting of
                        each order says what is computed

The figures go to the standard error. Ends with 1 if something differs.
"""

import argparse
import collections
import sys

import audit
import days
import scenario
from booked import Book
from facts import Folder

SHOWN = 20


def compare(ours, theirs):
    """Says the first lines that differ, by order and partner."""
    def by_place(lines):
        places = collections.defaultdict(list)
        for line in lines:
            places[tuple(line.split("\t")[1:3])].append(line)
        return places

    mine, other = by_place(ours), by_place(theirs)
    differ = [place for place in sorted(mine.keys() | other.keys()) if mine.get(place) != other.get(place)]
    for place in differ[: SHOWN // 2]:
        print("recomputed", *(mine.get(place) or ["nothing of " + " ".join(place)]), sep="\t")
        print("booked", *(other.get(place) or ["nothing of " + " ".join(place)]), sep="\t")
    if not differ and ours != theirs:
        print("the lines are not in the order of their bytes")
    if len(differ) > SHOWN // 2:
        print(f"and {len(differ) - SHOWN // 2} more places")
    return len(differ) or int(ours != theirs)


def commission_apart(ours, theirs):
    """Sum of the distances of commission, in micros."""
    totals = collections.defaultdict(lambda: [0, 0])
    for side, lines in enumerate((ours, theirs)):
        for line in lines:
            fields = line.split("\t")
            totals[tuple(fields[1:4])][side] += int(fields[6])
    return sum(abs(a - b) for a, b in totals.values())


def figures_of(folder, books):
    """What the run was made of."""
    figures = {
        "orders": len(books),
        "acts": sum(len(facts.acts) for facts in folder.orders.values()),
        "acts_without_order": sum(len(facts.acts) for facts in folder.orders.values() if not facts.decision),
        "locks": sum(facts.lock is not None for facts in folder.orders.values()),
        "payments": sum(len(facts.payments) for facts in folder.orders.values()),
        "paid": sum("\tpaid\t" in line for book in books for line in book.lines()),
        "after_lock": sum(1 for b in books if b.facts.lock and held_after(b.facts)),
    }
    figures.update(sorted(collections.Counter(f"state_{b.state}" for b in books).items()))
    codes = collections.Counter(c for b in books for c in {b.code, *(c for p in b.partners.values() for c in p[2])})
    figures.update((f"code_{code}", count) for code, count in sorted(codes.items()))
    figures.update(sorted(collections.Counter(f for b in books for f in set(b.values.findings)).items()))
    return figures


def held_after(facts):
    """Whether an act holds that the lock does not name."""
    return any(act.id not in facts.lock.get("acts", []) for act in facts.holding().values())


def main():
    arguments = argparse.ArgumentParser(description="Computes the books anew from the topics.")
    arguments.add_argument("--books", metavar="FILE")
    arguments.add_argument("--accounts", action="store_true")
    arguments.add_argument("--check-locks", action="store_true")
    arguments.add_argument("--due-by", metavar="MS", type=int)
    arguments.add_argument("--check-transfers", action="store_true")
    arguments.add_argument("--now", metavar="MS", type=int)
    arguments.add_argument("data")
    given = arguments.parse_args()
    folder = Folder(given.data)
    folder.catalog.now = given.now
    books = [Book(folder.catalog, key, facts) for key, facts in folder.decided()]
    posted_at = audit.days_posted_at(folder) if given.now is None else given.now
    paid_days = days.compute(folder.catalog, folder.touches, folder.day_payments.items(), posted_at)
    lines = [line for book in (*books, *paid_days.values()) for line in book.lines()]
    lines.sort(key=str.encode)
    balances = collections.Counter()
    for book in books:
        for account, micros in book.balances():
            balances[account, book.values.currency] += micros
    for day in paid_days.values():
        for account, micros in day.balances():
            balances[account, day.currency] += micros
    figures, wrong = figures_of(folder, books) | scenario.figures(folder, books), 0
    figures["touches"] = len(folder.touches.all)
    for purpose, count in sorted(collections.Counter(day.purpose for day in paid_days.values()).items()):
        figures[f"days_{purpose}"] = count
    figures["days_paid"] = sum(bool(day.payments) for day in paid_days.values())
    figures["days_taken_back"] = sum(day.earned < day.paid for day in paid_days.values())
    if given.books:
        with open(given.books, encoding="utf-8", newline="") as source:
            theirs = source.read().split("\n")
        if theirs.pop() != "":
            print(f"{given.books}: the last line does not end")
            wrong += 1
        wrong += compare(lines, theirs)
        figures["difference_micros"] = commission_apart(lines, theirs)
    elif given.accounts:
        for (account, currency), micros in sorted((place, micros) for place, micros in balances.items() if micros):
            print(account, currency, micros, sep="\t")
    else:
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        sys.stdout.writelines(line + "\n" for line in lines)
    texts = []
    if given.check_locks:
        locked = [(book, audit.check_lock(folder.catalog, book)) for book in books if book.facts.lock]
        texts += [f"lock of {book.key} {text}" for book, text in locked if text]
    if given.due_by is not None:
        late = [book for book in books if audit.lock_is_missing(folder.catalog, book, given.due_by)]
        texts += [f"lock of {book.key} is missing: it is {book.state}, {book.code}" for book in late]
    if given.check_transfers:
        texts += audit.check_transfers(folder, books, balances, figures)
        texts += audit.check_days(folder, paid_days)
        texts += audit.check_statements(folder)
    for text in texts[:SHOWN]:
        print(text)
    figures["findings"] = wrong + len(texts)
    print(*(f"{name}={count}" for name, count in figures.items()), file=sys.stderr)
    return 1 if figures["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
