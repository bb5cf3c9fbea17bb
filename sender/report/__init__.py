"""Results as a page to read, show and print, and as one result where several senders made a run."""
