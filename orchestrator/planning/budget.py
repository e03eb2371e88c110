"""Whether what is planned stays within what may be spent."""

from orchestrator.errors import UsageError
from orchestrator.planning.charges import CHARGES
from orchestrator.planning.plan import Cost, Plan
from orchestrator.planning.spans import Span


class OverBudgetError(UsageError):
    """It would cost more than allowed, or nobody can say that it would not."""


def check_budget(plan: Plan, budget: float) -> None:
    """Raises OverBudgetError unless the most that the plan may cost, also if runs fail, is known and within `budget`."""
    cost = plan.worst.cost
    if cost is None:
        raise OverBudgetError(
            "There are no prices, so nobody can say whether it stays within the budget; nothing was called.",
            hint="Write what your contract says into a copy of config/prices.example.yaml, and name it with --prices "
            "or the setting `prices`.",
        )
    if plan.runs.working and cost.unpriced:
        raise OverBudgetError(
            f"The price file has no price for {', '.join(cost.unpriced)}, which this uses; nothing was called.",
            hint="Add it to `resources` of the price file; 0 where it costs nothing.",
        )
    if cost.open:
        one = cost.open[0]
        raise OverBudgetError(
            f"What {one.step} costs cannot be known: {one.why}; nothing was called.",
            hint=f"Say how many {one.what} to reckon with: --assume {one.name}=NUMBER.",
        )
    if not cost.amount.high <= budget:  # so that a budget that is no number is kept by nothing
        raise OverBudgetError(
            f"{_said(plan, cost)}, more than the budget of {budget:,.2f}: {_why(plan)}; nothing was called.",
            hint="`orchestrator plan` shows what costs what. Take fewer rows, or raise --budget.",
        )


def money(amount: Span, currency: str) -> str:
    """An amount for people: `EUR 12.50`, `EUR 10.00 to 12.50`."""
    low, high = f"{amount.low:,.2f}", f"{amount.high:,.2f}"
    return f"{currency} {high}" if low == high else f"{currency} {low} to {high}"


def _said(plan: Plan, worst: Cost) -> str:
    if plan.cost is None or worst.amount.high == plan.cost.amount.high:
        return f"This would cost about {money(worst.amount, worst.currency)}"
    return f"If runs fail, this would cost up to {money(Span.exactly(worst.amount.high), worst.currency)}"


def _why(plan: Plan) -> str:
    dearest = max(plan.worst.resources, key=lambda resource: resource.amount.high, default=None)
    if dearest is None or not dearest.price:
        return "its calls"
    charge = CHARGES[dearest.charge]
    each = "each" if charge.per == 1 else f"for {charge.per:,}"
    return f"mostly {dearest.units.high:,.2f} {charge.unit} of {charge.what} at {dearest.price:g} {each}"
