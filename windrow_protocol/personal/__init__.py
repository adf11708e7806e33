"""What in a text identifies a person, by shape, checksum and the words around it."""
