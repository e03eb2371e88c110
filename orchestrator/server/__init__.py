"""The two HTTP listeners: the public one for callbacks, the admin one for people and programs on this side."""
