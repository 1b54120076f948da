"""Who may see what: what may be a credential, for whom an answer is kept, and whom it is served to."""

from __future__ import annotations

from cachedindex.model import Request

GAINED = "gained"
"""The scope of what was answered to a credential that was added below us: nobody sees it before, to take its digest."""


def inherited(page: Request, file: Request) -> str:
    """Return the scope of a file that a page promises, where it is asked for without a credential.

    What only a private page tells of is private as well; but what a credential got is not for who comes without.
    """
    if page.identity.scope == GAINED and file.identity.may_gain:
        return GAINED
    scope = page.identity.scope
    return f"{scope}-anybody" if scope else ""
