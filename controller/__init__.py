"""From the kernel to whoever replays: attach and detach, leases, ring, record format, channel."""
