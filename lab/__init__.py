"""Real hosts and servers in network namespaces without a way out: what demo and netns tests stand on."""
