"""Audits and what follows from them, in six rooms; each imports only those named before it.

`comparing` decides what texts of one page say, `standings` folds what audits so far mean, `drawing` holds the audit
epochs and what validators' secrets draw, `audits` leads one from its opening to its verdict, `epochs` publishes them
so that anybody can repeat them, and `consequences` is what follows for nodes, pay and pages.
"""
