"""Problem packages: read from a zip, checked as a whole, and kept in one canonical form under its digest."""
