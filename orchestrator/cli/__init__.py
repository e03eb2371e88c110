"""The command line: one file per family of verbs. Modules are light to import; a command imports what it needs."""
