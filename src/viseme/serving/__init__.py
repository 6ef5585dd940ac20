"""The server: its configuration, who may call it, what it tells of itself, and its doors."""
