"""Inputs made to break what reads an email: `make fuzz` makes new ones, `make test` replays what it found."""
