"""Parameters of step kinds whose models take time to load: only who uses such a kind loads them."""
