"""A grammar.js of tree-sitter as tables: node evaluates the file, an LALR(1) construction finds conflicts that no precedence settles, as tree-sitter's
generator does, and a parser with tree-sitter's lexer (the longest token that fits here; words before patterns) reads texts."""
import collections
import json
import re
import subprocess

EVALUATE = r"""
const R = (rule) => rule instanceof RegExp ? {pattern: rule.source} : typeof rule === "string" ? {literal: rule} : rule;
const P = (side) => (level, rule) => rule === undefined ? {prec: 0, side, of: R(level)} : {prec: level, side, of: R(rule)};
Object.assign(globalThis, {
  seq: (...rules) => ({seq: rules.map(R)}), choice: (...rules) => ({choice: rules.map(R)}), optional: (rule) => ({choice: [R(rule), {seq: []}]}),
  repeat: (rule) => ({choice: [{repeat: R(rule)}, {seq: []}]}), repeat1: (rule) => ({repeat: R(rule)}), field: (name, rule) => R(rule),
  prec: Object.assign(P(""), {left: P("left"), right: P("right")}), token: Object.assign((rule) => ({token: R(rule)}), {immediate: (rule) => ({immediate: R(rule)})}),
  grammar: (definition) => definition, module: {exports: {}}});
require("vm").runInThisContext(require("fs").readFileSync(process.argv[1], "utf8"));
const names = new Proxy({}, {get: (_, name) => ({symbol: name})});
const found = module.exports, rules = {};
for (const [name, rule] of Object.entries(found.rules)) rules[name] = R(rule(names));
console.log(JSON.stringify({rules, extras: found.extras(names).map(R)}));
"""

Production = collections.namedtuple("Production", "left right level side")
Token = collections.namedtuple("Token", "name pattern immediate level word")


class Grammar:
    def __init__(self, path):
        text = subprocess.run(["node", "-e", EVALUATE, path], capture_output=True, text=True, check=True).stdout
        definition = json.loads(text)
        self.tokens, self.productions, self.repeats = {}, [], {}
        self.rules = definition["rules"]
        self.lexical = {name for name, rule in self.rules.items() if self.is_lexical(rule)}
        extras = [self.rules[each["symbol"]] if "symbol" in each else each for each in definition["extras"]]
        self.extras = re.compile("(?:" + "|".join(each["pattern"] for each in extras) + ")*")
        for name, rule in self.rules.items():
            if name not in self.lexical:
                self.add(name, rule)
        self.start = next(iter(self.rules))
        self.productions.insert(0, Production("#start", (self.start,), 0, ""))
        self.by_left = collections.defaultdict(list)
        for index, production in enumerate(self.productions):
            self.by_left[production.left].append(index)
        self.conflicts = []
        self.build()

    @staticmethod
    def is_lexical(rule):
        return any(key in rule for key in ("pattern", "literal", "token", "immediate"))

    def terminal(self, rule, immediate=False, level=0):
        if "token" in rule or "immediate" in rule:
            return self.terminal(rule.get("token") or rule["immediate"], "immediate" in rule, level)
        if "prec" in rule:
            return self.terminal(rule["of"], immediate, rule["prec"])
        text = rule.get("literal")
        name = json.dumps(text) + ("!" if immediate else "") if text else "/" + rule["pattern"] + "/"
        self.tokens[name] = Token(name, re.compile(re.escape(text) if text else rule["pattern"]), immediate, level, text is not None)
        return name

    def expand(self, rule):
        """Each way to write a rule: symbols, level, side."""
        if "symbol" in rule:
            name = rule["symbol"]
            return [((self.terminal(self.rules[name]) if name in self.lexical else name,), 0, "")]
        if self.is_lexical(rule):
            return [((self.terminal(rule),), 0, "")]
        if "prec" in rule:
            return [(symbols, level or rule["prec"], side or rule["side"]) for symbols, level, side in self.expand(rule["of"])]
        if "choice" in rule:
            return [each for part in rule["choice"] for each in self.expand(part)]
        if "repeat" in rule:
            key = json.dumps(rule)
            if key not in self.repeats:
                name = self.repeats[key] = f"repeat{len(self.repeats)}"
                for symbols, level, side in self.expand(rule["repeat"]):
                    self.productions += [Production(name, symbols, level, side), Production(name, (name, *symbols), level, side)]
            return [((self.repeats[key],), 0, "")]
        ways = [((), 0, "")]
        for part in rule["seq"]:
            ways = [(symbols + more, level or deeper, side or other) for symbols, level, side in ways for more, deeper, other in self.expand(part)]
        return ways

    def add(self, name, rule):
        self.productions += [Production(name, *way) for way in dict.fromkeys(self.expand(rule))]

    def build(self):
        """LR(0) states, lookaheads that are passed on until nothing changes, actions."""
        self.first = collections.defaultdict(set, {name: {name} for name in self.tokens})
        changed = True
        while changed:
            sizes = sum(map(len, self.first.values()))
            for production in self.productions:
                self.first[production.left] |= self.first[production.right[0]]
            changed = sum(map(len, self.first.values())) != sizes
        states, numbers, edges = [frozenset([(0, 0)])], {}, []
        numbers[states[0]] = 0
        for state in states:
            moves = collections.defaultdict(set)
            for index, dot in self.closure({item: {"#"} for item in state}):
                right = self.productions[index].right
                if dot < len(right):
                    moves[right[dot]].add((index, dot + 1))
            edges.append({})
            for symbol, kernel in moves.items():
                kernel = frozenset(kernel)
                if kernel not in numbers:
                    numbers[kernel] = len(states)
                    states.append(kernel)
                edges[-1][symbol] = numbers[kernel]
        looks = [{item: set() for item in state} for state in states]
        looks[0][(0, 0)].add("#end")
        links, waiting = self.links(states, edges, looks), None
        while waiting != 0:
            waiting = 0
            for source, target in links:
                new = looks[source[0]][source[1]] - looks[target[0]][target[1]]
                looks[target[0]][target[1]] |= new
                waiting += len(new)
        self.actions = [self.actions_of(self.closure(look), edge) for look, edge in zip(looks, edges)]
        self.gotos = edges

    def closure(self, items):
        items = {item: set(looks) for item, looks in items.items()}
        work = list(items)
        while work:
            index, dot = item = work.pop()
            right = self.productions[index].right
            if dot == len(right) or right[dot] not in self.by_left:
                continue
            follow = self.first[right[dot + 1]] if dot + 1 < len(right) else items[item]
            for other in self.by_left[right[dot]]:
                known = items.setdefault((other, 0), set())
                if not follow <= known or not known:
                    known |= follow
                    work.append((other, 0))
        return items

    def links(self, states, edges, looks):
        links = []
        for number, state in enumerate(states):
            for item in state:
                for (index, dot), found in self.closure({item: {"#"}}).items():
                    right = self.productions[index].right
                    if dot == len(right):
                        continue
                    target = (edges[number][right[dot]], (index, dot + 1))
                    looks[target[0]][target[1]] |= found - {"#"}
                    if "#" in found:
                        links.append(((number, item), target))
        return links

    def actions_of(self, items, edges):
        actions = {symbol: ("shift", target) for symbol, target in edges.items() if symbol in self.tokens}
        shifting = collections.defaultdict(list)
        for index, dot in items:
            right = self.productions[index].right
            if 0 < dot < len(right):
                for symbol in self.first[right[dot]]:
                    shifting[symbol].append(self.productions[index].level)
        for (index, dot), looks in items.items():
            production = self.productions[index]
            if dot < len(production.right):
                continue
            for look in looks:
                actions[look] = self.settle(actions.get(look), index, look, max(shifting[look], default=0))
        return actions

    def settle(self, old, index, look, shift_level):
        new, production = ("reduce", index), self.productions[index]
        if old is None or old == new:
            return new
        level = shift_level if old[0] == "shift" else self.productions[old[1]].level
        if production.level != level:
            return new if production.level > level else old
        if old[0] == "shift" and production.side:
            return new if production.side == "left" else old
        self.conflicts.append(f"{production.left} -> {' '.join(production.right)} before {look}: {old}")
        return old

    def parse(self, text):
        """Where the text does not belong to the language; null: nowhere."""
        stack, at = [0], 0
        while True:
            begin = self.extras.match(text, at).end()
            actions = self.actions[stack[-1]]
            best = None
            for name in actions:
                if name == "#end":
                    continue
                token = self.tokens[name]
                if token.immediate and begin != at:
                    continue
                match = token.pattern.match(text, begin)
                if match and match.end() > begin:
                    key = (token.level, match.end(), token.word)
                    if best is None or key > best[0]:
                        best = key, name, match.end()
            # A word is not the beginning of a longer name.
            if best and best[0][2] and re.fullmatch(r"\w+", text[begin:best[2]]) and re.match(r"\w", text[best[2]:best[2] + 1]):
                best = None
            name = best[1] if best else "#end" if begin == len(text) else None
            action = actions.get(name)
            if action is None:
                return f"line {text.count(chr(10), 0, begin) + 1}: {text[begin:begin + 30]!r}, expected {sorted(actions)[:8]}"
            if action[0] == "shift":
                stack.append(action[1])
                at = best[2]
                continue
            production = self.productions[action[1]]
            if production.left == "#start":
                return None
            del stack[len(stack) - len(production.right):]
            stack.append(self.gotos[stack[-1]][production.left])
