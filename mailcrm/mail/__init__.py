"""Mail servers: IMAP sessions."""
