"""Real servers in the lab, a module each, with their own counts of what they served."""

from __future__ import annotations

from gryphon.lab.servers.nginx import PAGES, PORT, Answer, Mark, Nginx, Request, Served

__all__ = ["PAGES", "PORT", "Answer", "Mark", "Nginx", "Request", "Served"]
