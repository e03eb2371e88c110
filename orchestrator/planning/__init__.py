"""What a run would do, cost and take, worked out from its definition and its inputs without calling anything.

`survey` weighs one run, `plan` adds up many and sets them against the quota, the prices and a budget, `graph` draws the
steps. Everything here is arithmetic on what is known before the start; what only a run will know is said to be open.
"""
