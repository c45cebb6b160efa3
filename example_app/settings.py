"""Fernleaf's settings; see `example_app/__init__.py` for how the environment overrides them."""

from datetime import timedelta

SESSION_COOKIE_NAME = "fernleaf"
SESSION_COOKIE_SAMESITE = "Lax"
REMEMBER_COOKIE_NAME = "fernleaf_remember"
REMEMBER_COOKIE_DURATION = timedelta(days=30)
REMEMBER_COOKIE_HTTPONLY = True
REMEMBER_COOKIE_SAMESITE = "Lax"

MFA_ISSUER = "Fernleaf"
MFA_BASE_URL = "http://localhost:5000"
MFA_BASE_TEMPLATE = "second_step.html"
ENFORCE_ONE_MFA_ENROLLMENT = ["otp", "email", "sms"]
ALLOW_PASSKEY_ENROLLMENT = True
ENABLE_RECOVERY_CODE = True
ENABLE_MFA_REMEMBER_DEVICE = True
MFA_SMS_COUNTRIES = ["AT", "AU", "BE", "CA", "CH", "CN", "DE", "ES", "FR", "GB", "IE", "IT", "US"]
