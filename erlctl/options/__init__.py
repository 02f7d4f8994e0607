"""What a spec can choose beside the algorithm: networks, optimisers, policies. Plain data."""
