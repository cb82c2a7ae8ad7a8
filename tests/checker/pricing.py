"""Lines, shares and commissions of an order, by docs/books.md, "Values". Whole numbers only."""

RATE_UNIT = 1_000_000
# Largest amount of an order: 10^11 units.
AMOUNT_MAX = 100_000_000_000 * 1_000_000
# ISO 4217: currencies whose minor unit is not a hundredth.
NO_DECIMALS = set("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())
THREE_DECIMALS = set("BHD IQD JOD KWD LYD OMR TND".split())
# Unicode's White_Space: what surrounds a text and is no part of it.
SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def minor_unit(currency):
    """The smallest unit of a currency, in micros."""
    return 1_000_000 if currency in NO_DECIMALS else 1_000 if currency in THREE_DECIMALS else 10_000


def split(amount, weights):
    """Parts of an amount by weight: floors, what is left to the largest remainders, of equal ones to the last."""
    total = sum(weights)
    if amount < 0 or total == 0:
        return [0] * len(weights)
    parts = [amount * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (amount * weights[i] % total, i), reverse=True)
    for i in by_remainder[: amount - sum(parts)]:
        parts[i] += 1
    return parts


class Line:
    """One line of an order with what is left of it."""

    def __init__(self, amount, item=None):
        self.item = item or {}
        self.amount = amount
        self.kept = amount
        self.qty = self.item.get("qty", 1) or 1
        self.pieces = self.qty  # not yet taken by entries that count pieces

    def take(self, amount):
        """Takes so much money, or what there is."""
        taken = min(amount, self.kept)
        self.kept -= taken
        return taken

    def take_pieces(self, wanted):
        """Takes so many pieces, or what there is; returns their number."""
        taken = min(wanted, self.pieces)
        gone = self.qty - self.pieces
        self.take(self.amount * (gone + taken) // self.qty - self.amount * gone // self.qty)
        self.pieces -= taken
        return taken

    def take_all(self):
        """Takes the whole line."""
        self.kept = 0
        self.pieces = 0


def lines_of(items, amount):
    """The lines of an order: they sum to its amount. Those of items come first, in their order."""
    total = sum(item["amount"] for item in items)
    if total > amount:
        parts = split(amount, [item["amount"] for item in items])
        return [Line(part, item) for part, item in zip(parts, items)]
    lines = [Line(item["amount"], item) for item in items]
    if total < amount or not items:
        lines.append(Line(amount - total))
    return lines


def amended(items, amount, currency, act):
    """Lines and count of items after the amendment that holds, if there is one."""
    if act is None or act.get("currency", currency) != currency:
        return lines_of(items, amount), len(items)
    if act.get("items"):
        items = act["items"]
        amount = min(act.get("amount", sum(item["amount"] for item in items)), AMOUNT_MAX)
        return lines_of(items, amount), len(items)
    lines = lines_of(items, amount)
    if "amount" not in act:
        return lines, len(items)
    if not any(line.amount for line in lines):
        return [Line(act["amount"])], 0
    parts = split(act["amount"], [line.amount for line in lines])
    return [Line(part, line.item) for part, line in zip(parts, lines)], len(items)


def give_back(lines, items, currency, act, findings):
    """Takes from the lines what came back by the return that holds."""
    if act is None or act.get("currency", currency) != currency:
        return
    if act.get("returned"):
        for entry in act["returned"]:
            give_back_entry(lines, items, entry, findings)
    elif "amount" in act:
        total = sum(line.amount for line in lines)
        if act["amount"] > total:
            findings.append("returned_too_much")
        for line, part in zip(lines, split(min(act["amount"], total), [line.amount for line in lines])):
            line.take(part)


def give_back_entry(lines, items, entry, findings):
    """One entry of a return: by place, else by article."""
    if "line" in entry:
        named = lines[entry["line"] - 1 : entry["line"]] if 1 <= entry["line"] <= items else []
    elif "sku" in entry:
        named = [line for line in lines if line.item.get("sku") == entry["sku"]]
    else:
        named = []
    if not named:
        findings.append("returned_unknown_line")
        return
    if "amount" in entry:
        left = entry["amount"]
        for line in named:
            left -= line.take(left)
    elif "qty" in entry:
        left = entry["qty"]
        for line in named:
            left -= line.take_pieces(left)
    else:
        left = 0
        for line in named:
            line.take_all()
    if left > 0:
        findings.append("returned_too_much")


def folded(text):
    """A text as conditions compare it."""
    return text.strip(SPACE).lower()


def one_of(wanted, text):
    """Whether a condition without regard to case is absent or has this text."""
    return not wanted or text is not None and folded(text) in map(folded, wanted)


def margin(margins, lines):
    """(margin, net amount whose margin nobody told) of what is kept, before commission."""
    known = unknown = 0
    for line in lines:
        category = line.item.get("category")
        rate = margins.get("category", {}).get(folded(category)) if category is not None else None
        rate = margins.get("default") if rate is None else rate
        if rate is None:
            unknown += line.kept
        else:
            known += line.kept * rate // RATE_UNIT
    return known, unknown


class Buyer:
    """What a rule's conditions look at besides the line."""

    def __init__(self, goal, t, customer, coupons, credit, segment, kind):
        self.goal = goal
        self.t = t
        self.customer = customer
        self.coupons = coupons
        self.credit = credit
        self.segment = segment
        self.kind = kind

    def matches(self, when, line):
        """Whether every condition that is given holds."""
        exact = (
            ("goal", self.goal),
            ("partner", self.credit["partner"]),
            ("segment", self.segment),
            ("partner_kind", self.kind),
            ("sku", line.item.get("sku")),
            ("channel", self.credit.get("channel")),
            ("link", self.credit["link"]),
        )
        return (
            all(not when.get(name) or value in when[name] for name, value in exact)
            and one_of(when.get("category"), line.item.get("category"))
            and one_of(when.get("group"), line.item.get("group"))
            and when.get("customer", self.customer) == self.customer
            and (not when.get("coupon") or any(one_of(when["coupon"], code) for code in self.coupons))
            and when.get("from", self.t) <= self.t < when.get("until", self.t + 1)
        )


def pays(rule):
    """What a rule pays for orders, as (word, number); none for pay that has no order."""
    word, number = (rule["pays"], 0) if isinstance(rule["pays"], str) else next(iter(rule["pays"].items()))
    return (word, number) if word in ("percent", "per_order", "excluded") else None


def price(rules, buyer, lines, parts, weights, share, currency):
    """(commission, codes) of one share. `parts` are its parts of the kept lines, `share` its place in `weights`."""
    codes = set()
    priced = {}  # place of a rule → places of its lines
    unruled = 0
    for n, line in enumerate(lines):
        matching = [i for i, rule in enumerate(rules) if pays(rule) and buyer.matches(rule.get("when", {}), line)]
        right = [i for i in matching if rules[i]["currency"] == currency]
        if right:
            priced.setdefault(right[0], []).append(n)
        elif matching:
            codes.add(507)
        else:
            unruled += 1
    if unruled == len(lines):
        codes.add(501)
    commission = 0
    for place, of in sorted(priced.items()):
        rule = rules[place]
        word, number = pays(rule)
        if word == "percent":
            earned = sum(parts[n] for n in of) * number // RATE_UNIT
        elif word == "per_order":
            bought = sum(lines[n].amount for n in of)
            due = bought == 0 or any(lines[n].kept for n in of)
            earned = split(number, weights)[share] if due else 0
        else:
            earned = 0
            codes.add(502)
        if "cap_per_order" in rule:
            most = split(rule["cap_per_order"], weights)[share]
            if earned > most:
                codes.add(503)
                earned = most
        if rule.get("when", {}).get("customer") == "returning":
            codes.add(505)
        commission += earned
    if 507 in codes:
        commission = 0
    if 0 < commission < minor_unit(currency):
        codes.add(506)
    return commission, codes
