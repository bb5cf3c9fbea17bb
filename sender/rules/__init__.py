"""Rules for per-user fields: a recording and what the user wants changed in it, to a script that differs by user."""
