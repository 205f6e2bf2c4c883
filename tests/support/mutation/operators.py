"""Operators for Cosmic Ray that remove or invert what guards a program: conditions, their parts, statements, locks, and
the order of two statements; and those of its own that are used beside them.

What a message says is left alone: nothing in an f-string or behind `raise` is changed, and no call of `log` or of a
progress bar.
"""

import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from cosmic_ray.operators import boolean_replacer, break_continue, comparison_operator_replacement
from cosmic_ray.operators.exception_replacer import ExceptionReplacer
from cosmic_ray.operators.number_replacer import NumberReplacer
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.operators.zero_iteration_for_loop import ZeroIterationForLoop
from parso.python.tree import Name, PythonNode
from parso.tree import NodeOrLeaf

UNSEEN = re.compile(r"(log|progress\.advance)\(")  # calls that only tell
PLACES = {"if_stmt": ("if", "elif"), "while_stmt": ("while",), "test": ("if",), "comp_if": ("if",)}
BOOLEAN = ("and_test", "or_test")
ALWAYS = {"and_test": "or True", "or_test": "and False", "and_expr": "| True"}
COMPOUND = ("for_stmt", "if_stmt", "with_stmt", "try_stmt")


class ReplaceChild(Operator):
    """Replaces one child of a node by other text."""

    @abstractmethod
    def places(self, node: NodeOrLeaf) -> Iterator[int]:
        """Indices of the children that are replaced, one at a time."""

    @abstractmethod
    def text(self, node: NodeOrLeaf, code: str) -> str:
        """What stands there instead of `code`."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple[Any, Any]]:
        if not node.search_ancestor("fstring", "raise_stmt"):
            for place in self.places(node):
                yield node.children[place].start_pos, node.children[place].end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        place = list(self.places(node))[index]
        old = node.children[place]
        prefix = old.get_first_leaf().prefix
        code = old.get_code(include_prefix=False)
        node.children[place] = Name(self.text(node, code), old.start_pos, prefix)
        return node

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return ()


class _Condition(ReplaceChild):
    def places(self, node: NodeOrLeaf) -> Iterator[int]:
        for place, child in enumerate(getattr(node, "children", ())[:-1]):
            if getattr(child, "value", None) in PLACES.get(node.type, ()):
                yield place + 1


class NeverTrue(_Condition):
    """A condition that never holds: a guard that is removed."""

    def text(self, node: NodeOrLeaf, code: str) -> str:
        return f"(({code}) and False)"


class AlwaysTrue(_Condition):
    """A condition that always holds; of loops that would not end, none."""

    def places(self, node: NodeOrLeaf) -> Iterator[int]:
        return super().places(node) if node.type != "while_stmt" else iter(())

    def text(self, node: NodeOrLeaf, code: str) -> str:
        return f"(({code}) or True)"


class Inverted(_Condition):
    """A condition that holds when it should not."""

    def text(self, node: NodeOrLeaf, code: str) -> str:
        return f"(not ({code}))"


class DropOperand(ReplaceChild):
    """One operand of `and`, `or`, or `&` of arrays that no longer matters; not where `or` gives an argument its
    default."""

    def places(self, node: NodeOrLeaf) -> Iterator[int]:
        if node.type == "and_expr":
            yield from range(0, len(node.children), 2)
        elif node.type in BOOLEAN:
            above = node.parent
            while above.type in (*BOOLEAN, "not_test", "atom"):
                above = above.parent
            if above.type in (*PLACES, "return_stmt", "expr_stmt"):
                yield from range(0, len(node.children), 2)

    def text(self, node: NodeOrLeaf, code: str) -> str:
        return f"(({code}) {ALWAYS[node.type]})"


class RemoveContext(ReplaceChild):
    """A `with` that holds nothing."""

    def places(self, node: NodeOrLeaf) -> Iterator[int]:
        for place, child in enumerate(node.children[:-2] if node.type == "with_stmt" else ()):
            if child.type in ("atom_expr", "name"):
                yield place

    def text(self, node: NodeOrLeaf, code: str) -> str:
        return '__import__("contextlib").nullcontext()'


class RemoveStatement(ReplaceChild):
    """A call, a `raise`, an update in place, or a jump that is not there."""

    def places(self, node: NodeOrLeaf) -> Iterator[int]:
        if node.type == "simple_stmt" and _removable(node.children[0]):
            yield 0

    def text(self, node: NodeOrLeaf, code: str) -> str:
        return "pass"


class SwapStatements(Operator):
    """Two statements, one after the other, in the other order."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple[Any, Any]]:
        for place in self._places(node):
            yield node.children[place].start_pos, node.children[place + 1].end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        place = list(self._places(node))[index]
        node.children[place : place + 2] = node.children[place : place + 2][::-1]
        return node

    @staticmethod
    def _places(node: NodeOrLeaf) -> Iterator[int]:
        if isinstance(node, PythonNode) and node.type == "suite":
            for place, pair in enumerate(zip(node.children, node.children[1:], strict=False)):
                if all(_movable(statement) for statement in pair):
                    yield place

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return ()


def _removable(statement: NodeOrLeaf) -> bool:
    if statement.type == "atom_expr":
        return statement.children[-1].get_code().startswith("(") and not UNSEEN.match(statement.get_code(False))
    if statement.type == "expr_stmt":
        return getattr(statement.children[1], "value", "=") not in ("=", ":")
    return statement.type == "raise_stmt" or getattr(statement, "value", None) in ("raise", "continue", "break")


def _movable(statement: NodeOrLeaf) -> bool:
    call = statement.type == "simple_stmt" and statement.children[0].type == "atom_expr"
    return statement.type in COMPOUND or call and _removable(statement.children[0])


GUARDS = (NeverTrue, AlwaysTrue, Inverted, DropOperand, RemoveContext, RemoveStatement, SwapStatements)
BOUNDS = ("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is")
OTHERS = (
    *(getattr(comparison_operator_replacement, f"ReplaceComparisonOperator_{pair}") for pair in BOUNDS),
    boolean_replacer.ReplaceTrueWithFalse,
    boolean_replacer.ReplaceFalseWithTrue,
    break_continue.ReplaceBreakWithContinue,
    break_continue.ReplaceContinueWithBreak,
    ExceptionReplacer,
    NumberReplacer,
    ZeroIterationForLoop,
)
OPERATORS = {operator.__name__: operator for operator in (*GUARDS, *OTHERS)}


class Provider:
    """The operators by name, as Cosmic Ray looks for them."""

    def __iter__(self) -> Iterator[str]:
        return iter(OPERATORS)

    def __getitem__(self, name: str) -> type[Operator]:
        return OPERATORS[name]
