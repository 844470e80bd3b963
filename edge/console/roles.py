# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who may do what on the page: one table of roles and routes, asked before any handler runs.

What is fetched everybody who is in may fetch, and what is sent only an installer may send, unless
a row says otherwise: a new route is closed until somebody opens it.
"""

from __future__ import annotations

from typing import Literal, get_args

Role = Literal["viewer", "reviewer", "auditor", "installer"]
ROLES: tuple[Role, ...] = get_args(Role)

EVERYBODY = frozenset(ROLES)
REVIEWERS: frozenset[Role] = frozenset({"reviewer", "installer"})
AUDITORS: frozenset[Role] = frozenset({"auditor", "installer"})
INSTALLERS: frozenset[Role] = frozenset({"installer"})

# (method, beginning of the path template) -> who may; the longest beginning counts.
TABLE: dict[tuple[str, str], frozenset[Role]] = {
    ("GET", "/"): EVERYBODY,
    ("GET", "/setup/accounts"): AUDITORS,
    ("GET", "/setup/audit"): AUDITORS,
    ("GET", "/setup/access"): INSTALLERS,
    ("GET", "/setup/file"): INSTALLERS,
    ("GET", "/setup/notices"): INSTALLERS,
    ("POST", "/"): INSTALLERS,
    ("PUT", "/"): INSTALLERS,
    ("POST", "/cases/"): REVIEWERS,
    ("POST", "/review"): REVIEWERS,
    ("POST", "/teach/"): REVIEWERS,
    ("POST", "/labels"): REVIEWERS,
    ("POST", "/account/password"): EVERYBODY,
    ("POST", "/language"): EVERYBODY,
    ("POST", "/logout"): EVERYBODY,
}


def allowed(method: str, route: str) -> frozenset[Role]:
    """The roles that may use a route, named by its template such as `/cases/{id}`."""
    wanted = "GET" if method == "HEAD" else method
    rows = [(path, roles) for (verb, path), roles in TABLE.items() if verb == wanted]
    fitting = [(len(path), roles) for path, roles in rows if route.startswith(path)]
    return max(fitting, key=lambda row: row[0], default=(0, frozenset[Role]()))[1]
