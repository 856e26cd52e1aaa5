"""Rules of other vendors, said with ours: a program file each, and what the library gives for it, by case id.

``rules.py`` works the answers out, ``test_rules.py`` compares them with what is stated, and ``tests/cases/vendors.py`` with the
shared cases.
"""
