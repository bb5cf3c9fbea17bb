"""Per-user fields against real nginx: its access log names every user's own path and cookie, and nothing else."""

from __future__ import annotations

from sending import intercepted, start

from gryphon.lab.commands import options
from gryphon.lab.hosts import Lab
from gryphon.lab.recording import Visit, record
from gryphon.lab.servers import Nginx

USERS = 50
RULES = """\
[[field]]
match = 'user=(\\w+)'
value = "user"
width = "any"
start = 1

[[field]]
service = 80
match = 'sid=(\\w+)'
value = "csv:cookies.csv:cookie"
width = 20
pad = "."
"""


def test_nginx_sees_every_users_own_path_and_cookie(lab: Lab, nginx: Nginx) -> None:
    visit = Visit("member", ("/news.html?user=me", "/?user=me"), ("-b", "sid=recorded"))
    recording = record(lab, nginx, lab.directory / "member.pcap", visits=[visit])
    cookies = ["c" * (1 + user % 12) + str(user) for user in range(USERS)]
    (lab.directory / "cookies.csv").write_text("cookie\n" + "\n".join(cookies) + "\n")
    rules = lab.directory / "users.toml"
    rules.write_text(RULES)
    before = nginx.mark()
    with intercepted(lab, "target") as (topology, _):
        run = start(lab, [*options(recording, topology.intercept, USERS), "--rules", str(rules)])
        assert run.finish() == 0, run.text
    assert run.result["messages"]["mismatched"] == 0
    seen = sorted((request.path, request.cookie, request.status) for request in nginx.since(before).log)
    expected = [
        (f"{path}?user={user + 1}", f"sid={cookie.ljust(20, '.')}", 200)
        for user, cookie in enumerate(cookies)
        for path in ("/news.html", "/")
    ]
    assert seen == sorted(expected)


def test_a_rule_that_matches_nothing_is_refused_before_anything_is_sent(lab: Lab, nginx: Nginx) -> None:
    recording = record(lab, nginx, lab.directory / "glance.pcap", visits=[Visit("glance", ("/",))])
    before = nginx.mark()
    with intercepted(lab, "target") as (topology, _):
        run = start(lab, [*options(recording, topology.intercept, 5), "--field", "80:nobody=user"])
        assert run.finish() == 2
    assert "--field '80:nobody=user': it matches no message" in run.text
    assert nginx.mark().accepted == before.accepted
