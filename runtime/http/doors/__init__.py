"""Other products' interfaces, for clients that speak those already: each one only translates to the same submission."""
