"""Use cases of signing in: one-time codes (`otp`), sign-in and registration (`sign_in`), sessions (`sessions`)."""
