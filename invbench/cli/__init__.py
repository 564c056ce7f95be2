"""The commands. Imports anything; nothing imports it."""
