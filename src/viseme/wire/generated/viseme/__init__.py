"""Made by scripts/generate-protos from proto/; not edited."""
