"""All points, in the order in which they are shown."""

from __future__ import annotations

from gryphon.sender.check.assistant_points import ASSISTANT_POINTS
from gryphon.sender.check.host_points import HOST_POINTS
from gryphon.sender.check.sender_points import SENDER_POINTS
from gryphon.sender.check.server_points import SERVER_POINTS

POINTS = (*HOST_POINTS, *SENDER_POINTS, *SERVER_POINTS, *ASSISTANT_POINTS)
