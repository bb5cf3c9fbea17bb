"""The kernel side: the interception program in C and the loader, the only place that knows bcc."""
