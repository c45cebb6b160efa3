from flask_melody_mfa.factors.otp import OtpFactor

FACTORS = {f.kind: f for f in (OtpFactor(),)}
