"""The replay engine, sans-IO: records and time in, packets out."""
