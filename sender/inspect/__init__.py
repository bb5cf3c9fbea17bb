"""What is in a capture: services, sessions, pauses and losses, and one session as a transcript."""
