"""Reads the exports that people get from services, browsers and banks; `registry` is the way in."""
