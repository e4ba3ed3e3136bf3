"""Mail providers: data about their servers."""
