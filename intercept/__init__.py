"""The `gryphon-intercept` command: options, logs and signals around the controller."""
