"""Opt-in personal data: consent, redaction, and the browser's native-messaging host."""
