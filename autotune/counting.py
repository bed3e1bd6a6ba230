"""Counting: how many combinations are valid, exactly, and even draws from them, without going through them.

What a conflict depends on need not be declared: it is run with nothing set, and where it looks at a knob it
is run again with each of that knob's values. So each conflict becomes a decision diagram of the knobs that it
looks at, in which equal rests are one node. To count, the knob that most diagrams ask for is set to each of
its values in turn, which cuts the diagrams short; what falls apart into groups without a common knob is
counted apart and multiplied; and what was counted once is remembered (Sang, Bacchus, Beame, Kautz and
Pitassi: "Combining component caching and clause learning for effective model counting", 2004).
"""

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence

from autotune.combinations import Choices, Conflict, OpenError, Partial
from autotune.knob import Settings, Value

_FINE, _REFUSED = 0, 1  # the two nodes without a question


class TooLargeError(Exception):
    """Counting would take more steps than it was given."""


class Counter:
    """Counts the valid combinations of knobs, and draws from them evenly."""

    def __init__(self, choices: Choices, conflicts: Sequence[Conflict], *, effort: int = 200_000) -> None:
        """Make a decision diagram of each conflict.

        Args:
            choices: The values of each knob.
            conflicts: Pure functions of settings; each says why settings cannot go together, or None.
            effort: How many questions, nodes and sums are too many.

        Raises:
            TooLargeError: A conflict looks at too many knobs.
        """
        self._choices = choices
        self._left = effort
        # A node is the knob that it asks for and where each of its values leads.
        self._nodes: list[tuple[str, tuple[int, ...]]] = [("", ()), ("", ())]
        self._scopes: list[frozenset[str]] = [frozenset(), frozenset()]
        self._known: dict[tuple[str, tuple[int, ...]], int] = {}
        self._cut: dict[tuple[int, str, int], int] = {}
        self._counts: dict[frozenset[int], int] = {frozenset(): 1}
        self._roots = frozenset(self._diagram(conflict, {}) for conflict in conflicts) - {_FINE}

    def count(self) -> int:
        """Return how many combinations are valid.

        Raises:
            TooLargeError: It takes too many steps.

        >>> Counter({"a": (1, 2), "b": (1, 2, 3)}, [lambda s: "No." if s["a"] == s["b"] else None]).count()
        4
        """
        if _REFUSED in self._roots:
            return 0
        return self._count(self._roots) * self._free(self._choices, self._roots)

    def draw(self, rng: random.Random) -> dict[str, Value] | None:
        """Return a valid combination, each exactly as likely as any other; None where there is none.

        Raises:
            TooLargeError: It takes too many steps.
        """
        if not self.count():
            return None
        settings = {name: rng.choice(values) for name, values in self._choices.items()}
        groups = self._groups(self._roots)
        while groups:
            group = groups.pop()
            name = self._most_asked(group)
            ways = self._ways(group, name)
            place = rng.randrange(sum(number for number, _ in ways))
            index = 0
            while place >= ways[index][0]:
                place -= ways[index][0]
                index += 1
            settings[name] = self._choices[name][index]
            groups += self._groups(ways[index][1])
        return settings

    def _diagram(self, conflict: Conflict, known: Mapping[str, Value]) -> int:
        """Return the node at which a conflict stands when some knobs are set."""
        self._spend()
        try:
            return _REFUSED if conflict(Partial(known, self._choices)) else _FINE
        except OpenError as asked:
            name = asked.name
        values = self._choices[name]
        return self._node(name, tuple(self._diagram(conflict, {**known, name: value}) for value in values))

    def _node(self, name: str, following: tuple[int, ...]) -> int:
        """Return the one node of this kind; where all values lead to one place, that place."""
        if len(set(following)) == 1:
            return following[0]
        key = (name, following)
        if key not in self._known:
            self._spend()
            self._known[key] = len(self._nodes)
            self._nodes.append(key)
            self._scopes.append(frozenset({name}).union(*(self._scopes[node] for node in following)))
        return self._known[key]

    def _with(self, node: int, name: str, index: int) -> int:
        """Return the node at which a diagram stands once a knob is set."""
        if name not in self._scopes[node]:
            return node
        key = (node, name, index)
        if key not in self._cut:
            asked, following = self._nodes[node]
            self._cut[key] = (
                following[index]
                if asked == name
                else self._node(asked, tuple(self._with(each, name, index) for each in following))
            )
        return self._cut[key]

    def _count(self, nodes: frozenset[int]) -> int:
        """Count the combinations of the knobs in the scopes of these nodes."""
        if nodes not in self._counts:
            self._spend()
            groups = self._groups(nodes)
            if len(groups) > 1:
                number = math.prod(map(self._count, groups))
            else:
                number = sum(ways for ways, _ in self._ways(nodes, self._most_asked(nodes)))
            self._counts[nodes] = number
        return self._counts[nodes]

    def _ways(self, nodes: frozenset[int], name: str) -> list[tuple[int, frozenset[int]]]:
        """Return for each value of a knob how many combinations have it, and the nodes that it leads to."""
        others = self._scope(nodes) - {name}
        ways = []
        for index in range(len(self._choices[name])):
            new = frozenset(self._with(node, name, index) for node in nodes) - {_FINE}
            number = 0 if _REFUSED in new else self._count(new) * self._free(others, new)
            ways.append((number, new))
        return ways

    def _groups(self, nodes: Iterable[int]) -> list[frozenset[int]]:
        """Return nodes in groups that have no knob in common."""
        groups: list[tuple[set[int], frozenset[str]]] = []
        for node in sorted(nodes):
            tied = [group for group in groups if group[1] & self._scopes[node]]
            groups = [group for group in groups if not group[1] & self._scopes[node]]
            members = {node}.union(*(group[0] for group in tied))
            groups.append((members, self._scopes[node].union(*(group[1] for group in tied))))
        return [frozenset(members) for members, _ in groups]

    def _most_asked(self, nodes: frozenset[int]) -> str:
        """Return the knob that most nodes depend on: setting it cuts the most short."""
        votes: dict[str, int] = {}
        for node in nodes:
            for name in self._scopes[node]:
                votes[name] = votes.get(name, 0) + 1
        return max(sorted(votes), key=lambda name: votes[name])

    def _scope(self, nodes: Iterable[int]) -> frozenset[str]:
        return frozenset[str]().union(*(self._scopes[node] for node in nodes))

    def _free(self, names: Iterable[str], nodes: Iterable[int]) -> int:
        """Return the number of combinations of those knobs that no node depends on any more."""
        tied = self._scope(nodes)
        return math.prod(len(self._choices[name]) for name in names if name not in tied)

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooLargeError


def share_without(
    refuse: Callable[[Settings], str | None], drawn: Sequence[Settings]
) -> tuple[float, float, float]:
    """Return the share of settings that are not refused, and between what it lies with about 95 %.

    The interval is Wilson's, which holds where none or all of them are refused, too.

    Args:
        refuse: Says why settings are refused, or None.
        drawn: Even draws, at least one.

    >>> drawn = [{"a": 0}] * 50 + [{"a": 1}] * 50
    >>> [round(share, 2) for share in share_without(lambda s: "No." if s["a"] else None, drawn)]
    [0.5, 0.4, 0.6]
    """
    number = len(drawn)
    share = sum(not refuse(settings) for settings in drawn) / number
    z = 1.96
    middle = (share + z**2 / (2 * number)) / (1 + z**2 / number)
    reach = z / (1 + z**2 / number) * math.sqrt(share * (1 - share) / number + z**2 / (4 * number**2))
    return share, max(middle - reach, 0.0), min(middle + reach, 1.0)
