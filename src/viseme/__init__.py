"""Makes a face speak: sound and an avatar in, a lip-synced video out."""
