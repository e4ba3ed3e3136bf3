"""Signing in at a provider with OAuth2 (RFC 6749, RFC 8252)."""
