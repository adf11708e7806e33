"""What the server rooms write to and read from: state, logs, segments, the lake, and the Env port."""
