"""The pages in a real Chromium: looks, accessibility, keyboard, no script, host layouts."""
