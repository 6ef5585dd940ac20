"""Makes avatars: draws them, speaks their lessons, trains their networks and measures them."""
