"""Real hosts and real servers in network namespaces without a way out: the demo and the ground of the netns tests."""
