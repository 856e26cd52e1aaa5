"""The tests of loyaltycore."""
