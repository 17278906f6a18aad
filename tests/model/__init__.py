"""kith/1 in plain Python, written from docs/wire/e2ee.md alone: slow, without secrets' care, and easy to read.

It is not for use. It says what the bytes are, for those who write another client, and it makes tests/vectors/kith1_*.json.
"""
