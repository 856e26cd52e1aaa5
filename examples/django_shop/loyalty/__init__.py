"""What loyaltycore keeps, in Django's database."""
