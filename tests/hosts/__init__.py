"""Foreign-shaped hosts: small apps whose own suites pass without MFA and with it."""
