"""What a request has to meet beyond the types of its fields: one module an area, one function a sentence.

Each function says in its docstring where the reference states it. What the reference only says to be without effect
is taken, unless a setting would be lost that the caller evidently wants (an origin without CROP, a wrong metadata).
"""
