"""History checker: reads what clients, the nemesis and the store wrote down, and says whether every promise was kept.

The format of the files is docs/history-format.md; the promises are the invariants I-D1 .. I-L4 named in each check.
"""
