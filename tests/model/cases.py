"""How known answers are written down: cases of steps, what comes of them computed as they are added."""

from typing import Any

from .run import Run, shown


class Case:
    """A case: its steps share pins, sessions and private keys. `suite` is said of one that is not of the suite that all know."""

    def __init__(self, name: str, suite: int | None = None) -> None:
        self.name = name
        self.suite = suite
        self.steps: list[dict[str, Any]] = []
        self.run = Run()

    def do(self, do: str, expect: str | None = None, note: str = "", **args: Any) -> dict[str, Any]:
        """Adds a step. `expect` is the refusal that its author had in mind; without it the step must succeed."""
        given = {key: shown(value) for key, value in args.items() if value is not None}
        step: dict[str, Any] = {"do": do, **({"note": note} if note else {}), "args": given}
        step |= self.run.step(do, given)
        assert step.get("err") == expect, f"{self.name}, {note}: {step.get('err')}, not {expect}"
        assert expect or not args.get("coins") or self.run.coins_left == 0, f"{self.name}: coins left over"
        self.steps.append(step)
        return step

    def take(self, do: str, args: dict[str, Any]) -> dict[str, Any]:
        """Adds a step with `args` as JSON has them, whatever comes of it."""
        step = {"do": do, "args": args, **self.run.step(do, args)}
        self.steps.append(step)
        return step

    def out(self, name: str) -> bytes:
        """A byte string of the last step's `out`."""
        return bytes.fromhex(self.steps[-1]["out"][name])


def single(name: str, do: str, expect: str | None = None, **args: Any) -> Case:
    case = Case(name)
    case.do(do, expect, **args)
    return case
