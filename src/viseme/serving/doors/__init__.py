"""The ways in: gRPC and HTTP, each a thin translation onto the same house."""
