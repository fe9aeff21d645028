"""Pages for people, each complete in itself: a browser fetches nothing from elsewhere."""
